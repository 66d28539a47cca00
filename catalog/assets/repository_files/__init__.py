"""What a file of a repository says about an application, as components of an environment.

The file is a stranger's: it is read within bounds, nothing of it is run, no value of the machine gets into it, and what
is not understood is refused with its line instead of left out.
"""

from catalog.assets.repository_files.reading import SourceRefusedError, components_of, with_components

__all__ = ["SourceRefusedError", "components_of", "with_components"]
