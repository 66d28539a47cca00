"""Campaigns: one asset upgraded in many installs, wave by wave, judged before it goes on."""
