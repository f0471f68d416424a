"""What ACME adds to Firstboot; `firstboot_acme.plugin` is the plugin."""
