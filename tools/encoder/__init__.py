"""The recipe of atlas-mini, the bundled multilingual encoder; README.md beside this file has one command per step."""
