"""Sharing and curating in a browser without JavaScript, and what the standard doors make of it."""

from collections.abc import Callable
from html import escape

from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import Visibility
from catalog.assets.skeletons import skeleton
from catalog.tenancy import Principal

Client = TestClient[Litestar]
NewClient = Callable[..., Client]


def publish(client: Client, namespace: str, version: str = "1.0.0", visibility: Visibility = Visibility.PUBLIC) -> None:
    files = skeleton("deployment-blueprint", namespace, "preview")
    manifest = files["asset.yaml"].decode().replace("version: 0.1.0", f"version: {version}")
    packed = build_archive(
        {path: PackageFile(data) for path, data in {**files, "asset.yaml": manifest.encode()}.items()}
    )
    archive = ("a.tar.gz", packed.data, "application/gzip")
    answer = client.post("/api/v1/assets", files={"archive": archive}, data={"visibility": visibility.value})
    assert answer.status_code == 201, answer.text


def test_a_publisher_shares_on_a_page(browser: Client, api: Client, client_of: NewClient, rival: Principal) -> None:
    publish(api, "acme", visibility=Visibility.PRIVATE)
    path = "/assets/acme/preview"
    assert f'href="{path}/access"' in browser.get(path).text
    refused = browser.post(f"{path}/access", data={"visibility": "shared", "tenants": "rival\nNo One"})
    assert refused.status_code == 422
    assert "No, One: write names of tenants" in refused.text
    assert "rival\nNo One" in refused.text
    stranger = client_of(rival)
    assert stranger.get(f"/api/v1{path}").status_code == 404
    shared = browser.post(
        f"{path}/access", data={"visibility": "shared", "tenants": "rival, nobody"}, follow_redirects=False
    )
    assert (shared.status_code, shared.headers["location"]) == (303, path)
    assert stranger.get(f"/api/v1{path}").status_code == 200
    assert "nobody\nrival" in browser.get(f"{path}/access").text


def test_another_publishers_access_is_no_page(browser: Client, client_of: NewClient, rival: Principal) -> None:
    publish(client_of(rival), "rival")
    assert browser.get("/assets/rival/preview").status_code == 200
    assert "/access" not in browser.get("/assets/rival/preview").text
    assert browser.get("/assets/rival/preview/access").status_code == 403
    assert browser.get("/assets/rival/absent/access").status_code == 404


def test_an_administrator_curates_on_a_page(browser: Client, client_of: NewClient, rival: Principal) -> None:
    theirs = client_of(rival)
    publish(theirs, "rival")
    publish(theirs, "rival", "1.4.0")
    publish(theirs, "rival", "2.0.0")
    assert 'href="/catalog?asset=rival/preview"' in browser.get("/assets/rival/preview").text
    entry = {"asset": "rival/preview", "decision": "adopt", "allowed": "^1.0", "reason": "Tried"}
    for field, wrong in (("asset", "rival/none"), ("asset", "x"), ("allowed", "newest please")):
        refused = browser.post("/catalog/entries", data={**entry, field: wrong})
        assert refused.status_code == 422
        assert f'aria-describedby="field-{field}-help field-{field}-error"' in refused.text
    assert browser.post("/catalog/entries", data=entry, follow_redirects=False).status_code == 303
    page = browser.get("/catalog?asset=rival/preview").text
    assert "<code>&gt;=1.0,&lt;2</code>" in page
    assert 'value="&gt;=1.0,&lt;2"' in page
    form = browser.get("/environments/new?blueprint=rival/preview").text
    assert 'value="1.4.0"' in form
    assert 'value="2.0.0"' not in form
    assert browser.post("/catalog/forget", data={"asset": "rival/preview"}, follow_redirects=False).status_code == 303
    assert "Nothing is decided yet" in browser.get("/catalog").text
    assert browser.post("/catalog/mode", data={"mode": "curated"}, follow_redirects=False).status_code == 303
    assert "rival/preview" not in browser.get("/assets").text


def test_the_page_of_an_asset_keeps_to_the_catalog(
    browser: Client, api: Client, client_of: NewClient, rival: Principal
) -> None:
    theirs = client_of(rival)
    for version in ("1.0.0", "2.0.0"):
        publish(theirs, "rival", version)
    page, entry = "/assets/rival/preview", "/api/v1/catalog/rival/preview"
    ways = ("/installs/new?asset=rival/preview", "/environments/new?blueprint=", "slipway env request")
    assert all(each in browser.get(page).text for each in ways)

    api.put(entry, json={"allowed": "<2"})
    within = browser.get(page).text
    assert "<title>Preview 1.0.0" in within
    assert all(each in within for each in ways)
    assert "does not offer" not in within
    asset = "/api/v1/assets/rival/preview"
    assert api.get(asset).json()["latest_version"] == "1.0.0"
    assert api.get(f"{asset}/versions/latest").json()["version"] == "1.0.0"
    assert [each["version"] for each in api.get(f"{asset}/versions").json()["items"]] == ["2.0.0", "1.0.0"]
    assert theirs.get(asset).json()["latest_version"] == "2.0.0"
    beyond = browser.get(f"{page}?version=2.0.0").text
    assert "does not offer 2.0.0" in beyond
    assert "allows &lt;2 of it" in beyond
    assert not any(each in beyond for each in ways)

    api.put(entry, json={"allowed": ">=3"})
    for listed in ("/assets", "/assets/rival", "/environments/new"):
        assert "none in your range" in browser.get(listed).text, listed
    assert api.get(asset).json()["latest_version"] is None
    none = api.get(f"{asset}/versions/latest")
    assert (none.status_code, "no version that may be chosen" in none.json()["detail"]) == (404, True)
    for shown in ("/overlays/rival/preview", f"{page}/compare", f"{page}?tab=security"):
        assert browser.get(shown).status_code == 200, shown
    assert "does not offer 2.0.0" in browser.get(page).text

    api.put(entry, json={"hidden": True, "reason": "Not for us."})
    hidden = browser.get(page).text
    assert "Your tenant&#39;s catalog hides rival/preview. Not for us." in hidden
    assert not any(each in hidden for each in ways)
    api.delete(entry)
    api.put("/api/v1/catalog", json={"is_curated": True})
    unadopted = browser.get(page).text
    assert "has not adopted rival/preview" in unadopted
    assert not any(each in unadopted for each in ways)


def test_the_oci_door_keeps_to_the_catalog(api: Client, client_of: NewClient, rival: Principal) -> None:
    theirs = client_of(rival)
    publish(theirs, "rival")
    publish(theirs, "rival", "2.0.0")
    door = "/v2/rival/preview"
    newest = api.get(f"{door}/manifests/latest").headers["docker-content-digest"]
    assert api.put("/api/v1/catalog/rival/preview", json={"allowed": "<2"}).json()["allowed"] == "<2"
    assert api.get(f"{door}/tags/list").json()["tags"] == ["1.0.0", "latest"]
    assert api.get(f"{door}/manifests/2.0.0").status_code == 404
    older = api.get(f"{door}/manifests/latest").headers["docker-content-digest"]
    assert older == api.get(f"{door}/manifests/1.0.0").headers["docker-content-digest"] != newest
    # What was pinned by its digest goes on.
    assert api.get(f"{door}/manifests/{newest}").status_code == 200
    api.put("/api/v1/catalog/rival/preview", json={"hidden": True})
    hidden, absent = (api.get(f"/v2/rival/{name}/tags/list") for name in ("preview", "absent"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text.replace("preview", "absent") == absent.text
    assert theirs.get(f"{door}/tags/list").json()["tags"] == ["1.0.0", "2.0.0", "latest"]


def test_the_form_says_what_a_range_means(browser: Client, api: Client) -> None:
    for version in ("1.2.0", "1.3.0", "2.0.0"):
        publish(api, "acme", version)
    form = browser.get("/environments/new", params={"blueprint": "acme/preview", "version": "^1.2"})
    assert "^1.2 is read as &gt;=1.2,&lt;2; today that is 1.3.0." in form.text
    sent = {"blueprint": "acme/preview", "version": "~> 1.2.0", "repository": "/nowhere", "pull_request": "1"}
    answered = browser.post("/environments", data=sent)
    assert answered.status_code == 422
    assert "~&gt; 1.2.0 is read as ~=1.2.0; today that is 1.2.0." in answered.text
    for wrong in ("1.2 or so", ">=3"):
        refused = browser.post("/environments", data={**sent, "version": wrong})
        assert refused.status_code == 422
        assert 'href="#field-version"' in refused.text


def test_an_administrator_narrows_inputs_on_a_page(browser: Client, client_of: NewClient, rival: Principal) -> None:
    publish(client_of(rival), "rival")
    assert 'href="/overlays/rival/preview"' in browser.get("/assets/rival/preview?tab=inputs").text
    assert "Nothing is narrowed" in browser.get("/overlays").text
    home = "/overlays/rival/preview"
    assert "as the publisher says" in browser.get(home).text
    assert browser.get(f"{home}/rule?pointer=/nothing").status_code == 404
    form = browser.get(f"{home}/rule?pointer=/greeting").text
    assert 'name="rule/maxLength"' in form
    sent = {"pointer": "/greeting", "mode": "choose", "rule/maxLength": "9999", "reason": "It has to fit."}
    wide = browser.post(f"{home}/rule", data=sent)
    assert wide.status_code == 422
    assert "does not allow" in wide.text
    assert 'value="9999"' in wide.text
    unsaid = browser.post(f"{home}/rule", data={**sent, "reason": ""})
    assert unsaid.status_code == 422
    assert "Say why" in unsaid.text
    fixed = {"pointer": "/greeting", "mode": "fixed", "rule/value": "Ahoy", "reason": "One voice for all."}
    assert browser.post(f"{home}/rule", data=fixed, follow_redirects=False).status_code == 303
    assert "One voice for all." in browser.get(home).text
    assert "Set by your tenant: One voice for all." in browser.get("/assets/rival/preview?tab=inputs").text
    assert "Set by your tenant: One voice for all." in browser.get("/environments/new?blueprint=rival/preview").text
    hidden = {**fixed, "mode": "hidden"}
    assert browser.post(f"{home}/rule", data=hidden, follow_redirects=False).status_code == 303
    assert 'name="inputs/greeting"' not in browser.get("/environments/new?blueprint=rival/preview").text
    taken = browser.post(f"{home}/forget", data={"pointer": "/greeting"}, follow_redirects=False)
    assert taken.status_code == 303
    assert "Nothing is narrowed" in browser.get("/overlays").text
    assert "removed" in browser.get(home).text


def test_rules_for_entries_of_lists_are_written_as_text(
    browser: Client, client_of: NewClient, rival: Principal
) -> None:
    publish(client_of(rival), "rival")
    home = "/overlays/rival/preview"
    assert f'href="{home}/rules"' in browser.get(home).text
    assert "One rule for each input" in browser.get(f"{home}/rules").text
    for text, said in (
        ("- pointer: [", "Line 1"),
        ("pointer: /greeting", "Write a list"),
        ("- {pointer: /greeting, maxLength: 5}", "Rule 1, reason"),
        ("- {pointer: /greeting, maxLength: 9999, reason: Long.}", "does not allow"),
    ):
        refused = browser.post(f"{home}/rules", data={"rules": text, "revision": "0"})
        assert refused.status_code == 422
        assert said in refused.text
        assert escape(text) in refused.text, "what was written is there still"
    rules = "- {pointer: /greeting, maxLength: 20, default: Ahoy, reason: It has to fit.}"
    sent = {"rules": rules, "revision": "0"}
    assert browser.post(f"{home}/rules", data=sent, follow_redirects=False).status_code == 303
    assert "at most 20 characters" in browser.get(home).text
    assert "maxLength: 20" in browser.get(f"{home}/rules").text
    late = browser.post(f"{home}/rules", data={"rules": rules.replace("20", "10"), "revision": "0"})
    assert late.status_code == 409
    assert "Somebody has changed this overlay meanwhile" in late.text
    gone = browser.post(f"{home}/rules", data={"rules": "# none\n", "revision": "1"}, follow_redirects=False)
    assert gone.status_code == 303
    assert "Nothing is narrowed" in browser.get("/overlays").text
