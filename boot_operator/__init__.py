"""The programs `boot-operator` and `bootctl`: their flags, and what is wired to what."""
