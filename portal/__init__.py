"""The portal: HTTP in, calls to the domain out, pages and problem details back."""
