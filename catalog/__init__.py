"""The domain of Slipway: what is decided and recorded, without web, queue or vendor code."""
