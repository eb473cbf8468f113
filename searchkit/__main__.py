"""`python -m searchkit` is `searchkit`."""

import searchkit.cli.main

searchkit.cli.main.main()
