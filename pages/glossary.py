"""The words that the other pages use, each in one sentence."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from pages.widgets.show import words

st.title("Words")
words()
