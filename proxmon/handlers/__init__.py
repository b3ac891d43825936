"""The HTTP routes: thin Tornado handlers over the monitor's contexts."""
