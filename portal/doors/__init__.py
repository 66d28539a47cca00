"""The standard doors: what other people's clients speak, below ``/t/{tenant}``; every route in one place."""

from portal.doors import bundles, feeds, legacy, oci, simple

ROUTES = (
    simple.list_projects,
    simple.show_project,
    simple.download_file,
    legacy.upload_wheel,
    bundles.poll_bundle,
    bundles.poll_bundle_version,
    *oci.ROUTES,
    *feeds.ROUTES,
)
