"""Every command of ``slipway`` by name: what the list says of it, and where it is."""

import click

from portal.cli.lazy import Entry, LazyGroup

SUMMARY = "Slipway: a marketplace and self-service portal for software delivery."

ASSET = LazyGroup(
    "asset",
    {
        "init": Entry("portal.cli.packages:init", "Begin a new asset from a skeleton that checks and publishes."),
        "check": Entry("portal.cli.packages:check", "Check an asset's folder and print every finding."),
        "build": Entry("portal.cli.packages:build", "Build the archive of an asset."),
        "pack": Entry("portal.cli.packing:pack", "Pack a folder of assets, each with what the build signs about it."),
    },
    summary="Write, check and build assets.",
)
DATABASE = LazyGroup(
    "db",
    {
        "upgrade": Entry("portal.cli.database:upgrade", "Bring the database to the newest revision."),
        "current": Entry("portal.cli.database:current", "Say at which revision the database is."),
        "check": Entry("portal.cli.database:check", "Fail where the database differs from what Slipway needs."),
    },
    summary="Migrate and check the database.",
)
ENVIRONMENT = LazyGroup(
    "env",
    {
        "request": Entry("portal.cli.environment_request:request", "Ask for the environment of a pull request."),
        "list": Entry("portal.cli.environments:list_", "List environments."),
        "show": Entry("portal.cli.environments:show", "Show one environment."),
        "logs": Entry("portal.cli.environment_logs:logs", "Print the end of what its application wrote."),
        "extend": Entry("portal.cli.environments:extend", "Let it live longer."),
        "explain": Entry("portal.cli.environments:explain", "Say what a pull request means, and by which rule."),
        "automate": Entry("portal.cli.environment_automations:automate", "Let them begin by themselves."),
        "target": Entry("portal.cli.environment_targets:target", "Say or choose where they run."),
        "approve": Entry("portal.cli.environments:approve", "Let one commit of a fork be deployed."),
        "pin": Entry("portal.cli.environments:pin", "Keep it as it is for a while."),
        "unpin": Entry("portal.cli.environments:unpin", "Keep it no longer."),
        "sleep": Entry("portal.cli.environments:sleep", "Stop what runs of it; a visit wakes it where the target can."),
        "wake": Entry("portal.cli.environments:wake", "Bring it back."),
        "rebuild": Entry("portal.cli.environments:rebuild", "Make it again from the same commit."),
        "destroy": Entry("portal.cli.environments:destroy", "Destroy it and all that belongs to it."),
    },
    summary="Preview environments of pull requests.",
)
SEARCHES = LazyGroup(
    "searches",
    {
        "save": Entry("portal.cli.searches:save", "Keep a search under a name."),
        "list": Entry("portal.cli.searches:list_", "List saved searches, with how much is new."),
        "run": Entry("portal.cli.searches:run", "Run a saved search."),
        "rename": Entry("portal.cli.searches:rename", "Give a saved search another name."),
        "delete": Entry("portal.cli.searches:delete", "Keep a search no longer."),
    },
    summary="Searches that you keep.",
)
CATALOG = LazyGroup(
    "catalog",
    {
        "show": Entry("portal.cli.sharing:show", "Show what your tenant decided."),
        "adopt": Entry("portal.cli.sharing:adopt", "Let members choose an asset, or a range of its versions."),
        "hide": Entry("portal.cli.sharing:hide", "Hide an asset from members."),
        "forget": Entry("portal.cli.sharing:forget", "Take a decision back."),
        "curate": Entry("portal.cli.sharing:curate", "Let members see only your own and adopted assets."),
        "open": Entry("portal.cli.sharing:open_", "Let members see everything again."),
    },
    summary="What your members choose from.",
)
OVERLAY = LazyGroup(
    "overlay",
    {
        "show": Entry("portal.cli.overlays:show", "Show what your tenant narrows of an asset, or of all."),
        "set": Entry("portal.cli.overlays:set_", "Narrow an asset's inputs by the rules of a file."),
        "check": Entry("portal.cli.overlays:check", "Say how the rules of a file would fit; nothing is changed."),
        "remove": Entry("portal.cli.overlays:remove", "Let members give what the publisher lets them."),
    },
    summary="What your tenant narrows of an asset's inputs.",
)
DRAFT = LazyGroup(
    "draft",
    {
        "submit": Entry("portal.cli.drafts:submit", "Ask for a second person to publish a draft."),
        "withdraw": Entry("portal.cli.drafts:withdraw", "Make a version in review a draft again."),
        "publish": Entry("portal.cli.drafts:publish", "Publish a draft, or approve a version in review."),
        "discard": Entry("portal.cli.drafts:discard", "Throw a draft away."),
    },
    summary="Versions that are not out yet.",
)
SCM = LazyGroup(
    "scm",
    {
        "connect": Entry("portal.cli.scm:connect", "Connect to GitHub or Azure DevOps."),
        "list": Entry("portal.cli.scm:list_", "List connections and the repositories that are followed."),
        "follow": Entry("portal.cli.scm:follow", "Look at a repository's pull requests from now on."),
        "test": Entry("portal.cli.scm:test", "Ask what a connection may do in a repository."),
        "rotate": Entry("portal.cli.scm:rotate", "Make another secret for a connection's hooks."),
        "disconnect": Entry("portal.cli.scm:disconnect", "Forget a connection with its credentials."),
    },
    summary="Connections to source code management.",
)
RELEASE = LazyGroup(
    "release",
    {
        "create": Entry("portal.cli.releases:create", "Record a release."),
        "list": Entry("portal.cli.releases:list_", "List releases."),
        "show": Entry("portal.cli.releases:show", "Show one release."),
    },
    summary="What a tenant ships.",
)
POLICY = LazyGroup(
    "policy",
    {
        "test": Entry("portal.cli.processes:policy_test", "Check a policy bundle and run its tests, with coverage."),
        "compile": Entry("portal.cli.processes:policy_compile", "Compile a policy bundle as publishing does."),
        "evaluate": Entry("portal.cli.policies:evaluate", "Ask policies about an input, a release or an environment."),
        "statement": Entry("portal.cli.policies:statement", "Fetch what was signed of a gate's decision."),
    },
    summary="What policies say.",
)
SBOM = LazyGroup(
    "sbom",
    {
        "where": Entry("portal.cli.sboms:where", "Say where a package runs."),
        "list": Entry("portal.cli.sboms:list_", "List bills of materials."),
        "download": Entry("portal.cli.sboms:download", "Download one, byte for byte."),
        "make": Entry("portal.cli.sboms:make", "Ask for them to be made."),
        "registries": Entry("portal.cli.registries:list_", "List registries that artifacts are fetched from."),
        "add-registry": Entry("portal.cli.registries:add", "Name a registry, or replace its credential."),
        "remove-registry": Entry("portal.cli.registries:remove", "Ask a registry no longer."),
    },
    summary="What things are made of.",
)
APPROVALS = LazyGroup(
    "approvals",
    {
        "list": Entry("portal.cli.approvals:list_", "List what waits for approval, or was decided."),
        "show": Entry("portal.cli.approvals:show", "Show what waits, who may decide, and what was said."),
        "ask": Entry("portal.cli.approvals:ask", "Ask people to approve a plan, or see how that stands."),
        "approve": Entry("portal.cli.approvals:approve", "Approve."),
        "deny": Entry("portal.cli.approvals:deny", "Deny."),
        "withdraw": Entry("portal.cli.approvals:withdraw", "Take back what you asked."),
        "delegate": Entry("portal.cli.approvals:delegate", "Let somebody decide in your place for a while."),
        "delegations": Entry("portal.cli.approvals:delegations", "List who decides in whose place."),
        "undelegate": Entry("portal.cli.approvals:undelegate", "End a delegation."),
        "rules": Entry("portal.cli.approval_rules:rules", "List which plans of installs take an approval."),
        "require": Entry("portal.cli.approval_rules:require", "Let plans of installs take an approval."),
        "unrequire": Entry("portal.cli.approval_rules:unrequire", "End such a rule."),
    },
    summary="What waits for people.",
)
NOTIFICATIONS = LazyGroup(
    "notifications",
    {
        "inbox": Entry("portal.cli.notifications:inbox", "Show what you were told."),
        "subscribe": Entry("portal.cli.notifications:subscribe", "Have events told in the portal, by mail or webhook."),
        "subscriptions": Entry("portal.cli.notifications:subscriptions", "List who is told of what."),
        "test": Entry("portal.cli.notifications:test", "Send a test."),
        "rotate": Entry("portal.cli.notifications:rotate", "Give a webhook a new secret."),
        "pause": Entry("portal.cli.notifications:pause", "Stop telling."),
        "resume": Entry("portal.cli.notifications:resume", "Tell again."),
        "unsubscribe": Entry("portal.cli.notifications:unsubscribe", "Remove a subscription."),
        "list": Entry("portal.cli.notifications:list_", "List what went out."),
        "show": Entry("portal.cli.notifications:show", "Show one with every try."),
        "replay": Entry("portal.cli.notifications:replay", "Send once more what was given up."),
    },
    summary="Who is told of what.",
)
CAMPAIGN = LazyGroup(
    "campaign",
    {
        "preview": Entry("portal.cli.campaigns:preview", "Show which installs would be in which wave."),
        "create": Entry("portal.cli.campaigns:create", "Have the upgrades planned and the waves cut."),
        "list": Entry("portal.cli.campaigns:list_", "List campaigns."),
        "show": Entry("portal.cli.campaigns:show", "Show one with its waves and installs."),
        "start": Entry("portal.cli.campaigns:start", "Begin with the first wave."),
        "pause": Entry("portal.cli.campaigns:pause", "Begin nothing new."),
        "resume": Entry("portal.cli.campaigns:resume", "Go on."),
        "promote": Entry("portal.cli.campaigns:promote", "Let the wave pass as it is."),
        "retry": Entry("portal.cli.campaigns:retry", "Try a wave once more."),
        "rollback": Entry("portal.cli.campaigns:rollback", "Take a wave, or all of them, back."),
        "abort": Entry("portal.cli.campaigns:abort", "End it as things stand."),
    },
    summary="Upgrades of many installs, wave by wave.",
)
DEAD_LETTERS = LazyGroup(
    "dead-letters",
    {
        "list": Entry("portal.cli.dead_letters:list_", "List jobs that failed for good."),
        "replay": Entry("portal.cli.dead_letters:replay", "Try such a job again."),
    },
    summary="Jobs that failed for good.",
)
PROPOSALS = LazyGroup(
    "proposals",
    {
        "list": Entry("portal.cli.proposals:list_", "List what agents propose."),
        "show": Entry("portal.cli.proposals:show", "Show one proposal with its evidence."),
        "approve": Entry("portal.cli.proposals:approve", "Want it carried out."),
        "reject": Entry("portal.cli.proposals:reject", "Refuse it, and let through what was blocked for it."),
    },
    summary="What agents found and suggest.",
)
AGENTS = LazyGroup(
    "agents",
    {
        "list": Entry("portal.cli.agents:list_", "List the agents, and how far each may go."),
        "show": Entry("portal.cli.agents:show", "Show one agent."),
        "runs": Entry("portal.cli.agents:runs", "List what an agent saw and did."),
        "limit": Entry("portal.cli.agents:limit", "Choose how far an agent may go."),
        "stop": Entry("portal.cli.agents:stop", "Stop an agent, or every one, at once."),
        "start": Entry("portal.cli.agents:start", "Let an agent, or every one, go on."),
    },
    summary="What agents do, and how far they may go.",
)
TENANT = LazyGroup(
    "tenant",
    {"create": Entry("portal.cli.tenants:create_tenant", "Make a tenant.")},
    summary="Tenants of this installation.",
)
TOKEN = LazyGroup(
    "token",
    {"create": Entry("portal.cli.tenants:create_token", "Make an API token and print it once.")},
    summary="API tokens of this installation.",
)

SECRET = LazyGroup(
    "secret",
    {
        "set": Entry("portal.cli.secrets:set_", "Give a secret its value, or another one."),
        "list": Entry("portal.cli.secrets:list_", "List the names of secrets."),
        "remove": Entry("portal.cli.secrets:remove", "Forget a secret."),
    },
    summary="Values that blueprints name and nobody reads.",
)

COMMANDS = LazyGroup(
    "slipway",
    {
        "up": Entry("portal.cli.processes:up", "Start all of Slipway on this machine."),
        "login": Entry("portal.cli.login:login", "Remember which Slipway to speak to, and with which token."),
        "asset": Entry("portal.cli.commands:ASSET", "Write, check and build assets."),
        "publish": Entry("portal.cli.publish:publish", "Publish an asset."),
        "import-tag": Entry("portal.cli.drafts:import_tag", "Publish from a tag of a repository."),
        "share": Entry("portal.cli.sharing:share", "Show or change who may see an asset."),
        "catalog": Entry("portal.cli.commands:CATALOG", "What your members choose from."),
        "overlay": Entry("portal.cli.commands:OVERLAY", "What your tenant narrows of an asset's inputs."),
        "draft": Entry("portal.cli.commands:DRAFT", "Versions that are not out yet."),
        "search": Entry("portal.cli.marketplace:search", "Search the marketplace."),
        "searches": Entry("portal.cli.commands:SEARCHES", "Searches that you keep."),
        "show": Entry("portal.cli.marketplace:show", "Show an asset, or one version of it."),
        "resolve": Entry("portal.cli.resolve:resolve", "Choose versions that go together."),
        "export": Entry("portal.cli.transfers:export", "Write assets as a layout for a Slipway elsewhere."),
        "import": Entry("portal.cli.transfers:import_", "Take such a layout in."),
        "used-by": Entry("portal.cli.marketplace:used_by", "Say who uses an asset."),
        "deprecate": Entry("portal.cli.marketplace:deprecate", "Advise against a version."),
        "retire": Entry("portal.cli.marketplace:retire", "Archive a version that is no longer maintained."),
        "yank": Entry("portal.cli.marketplace:yank", "Keep a version from being chosen anew."),
        "revoke": Entry("portal.cli.marketplace:revoke", "Forbid a version."),
        "quarantine": Entry("portal.cli.marketplace:quarantine", "Take a version out of reach until it is restored."),
        "restore": Entry("portal.cli.marketplace:restore", "Take a version's change of state back."),
        "install": Entry("portal.cli.installs:install", "Install an asset, after looking at the plan."),
        "installs": Entry("portal.cli.installs:installs", "List installs, or show one with its revisions."),
        "upgrade": Entry("portal.cli.installs:upgrade", "Upgrade an install, or change its inputs."),
        "rollback": Entry("portal.cli.installs:rollback", "Go back to an earlier revision of an install."),
        "uninstall": Entry("portal.cli.installs:uninstall", "Take an install away."),
        "campaign": Entry("portal.cli.commands:CAMPAIGN", "Upgrades of many installs, wave by wave."),
        "attest": Entry("portal.cli.attestations:attest", "Send a signed statement, or sign one."),
        "verify": Entry("portal.cli.attestations:verify", "Prove an asset, an environment, a release or a file."),
        "sbom": Entry("portal.cli.commands:SBOM", "What things are made of."),
        "policy": Entry("portal.cli.commands:POLICY", "What policies say."),
        "env": Entry("portal.cli.commands:ENVIRONMENT", "Preview environments of pull requests."),
        "scm": Entry("portal.cli.commands:SCM", "Connections to source code management."),
        "release": Entry("portal.cli.commands:RELEASE", "What a tenant ships."),
        "approvals": Entry("portal.cli.commands:APPROVALS", "What waits for people."),
        "notifications": Entry("portal.cli.commands:NOTIFICATIONS", "Who is told of what."),
        "dead-letters": Entry("portal.cli.commands:DEAD_LETTERS", "Jobs that failed for good."),
        "proposals": Entry("portal.cli.commands:PROPOSALS", "What agents found and suggest."),
        "agents": Entry("portal.cli.commands:AGENTS", "What agents do, and how far they may go."),
        "doctor": Entry("portal.cli.processes:doctor", "Say what is found, what is missing, and how to get it."),
        "tenant": Entry("portal.cli.commands:TENANT", "Tenants of this installation."),
        "secret": Entry("portal.cli.commands:SECRET", "Values that blueprints name and nobody reads."),
        "token": Entry("portal.cli.commands:TOKEN", "API tokens of this installation."),
        "sign-in-link": Entry("portal.cli.tenants:sign_in_link", "Print a link that signs an administrator in once."),
        "db": Entry("portal.cli.commands:DATABASE", "Migrate and check the database."),
        "serve": Entry("portal.cli.processes:serve", "Run the portal alone."),
        "work": Entry("portal.cli.processes:work", "Run a worker alone."),
        "relay": Entry("portal.cli.processes:relay", "Run relay and scheduler alone."),
        "demo": Entry("portal.cli.demo:demo", "Publish the curated assets and make a sample repository.", hidden=True),
    },
    summary=SUMMARY,
)
click.version_option(package_name="slipway", message="%(version)s")(COMMANDS)
