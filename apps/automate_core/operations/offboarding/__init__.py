"""People who leave: what they hold, and handing it over to somebody who stays."""
