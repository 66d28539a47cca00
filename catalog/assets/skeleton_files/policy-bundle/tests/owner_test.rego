package @module@_test

import data.@module@

test_release_without_owner_is_reported if {
	count(@module@.deny) == 1 with input as {"release": {"name": "shop"}}
}

test_release_with_owner_passes if {
	count(@module@.deny) == 0 with input as {"release": {"name": "shop", "owner": "payments"}}
}
