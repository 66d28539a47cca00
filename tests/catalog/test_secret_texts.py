"""The forms in which secrets turn up."""

from catalog.secret_texts import secret_texts


def test_a_secret_is_looked_for_whole_in_lines_quoted_and_as_the_password_of_an_address() -> None:
    found = secret_texts(["postgresql://app:p%40ssword@db:5432/app", 'quo"ted', "first line\nsecond line\n}", "abc"])
    assert {"postgresql://app:p%40ssword@db:5432/app", "p%40ssword", "p@ssword"} <= found
    assert {'quo"ted', 'quo\\"ted', "quo%22ted", "first line", "second line"} <= found
    assert not {"abc", "}", "app", "db"} & found
