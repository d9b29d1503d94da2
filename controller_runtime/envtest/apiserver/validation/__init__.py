"""Rules that kinds share: names, labels, ObjectMeta; and the words in which the API server says what is wrong.

Functions return what they find, in the API server's order and texts, and raise nothing. They know no kind; the rules of
a kind are its strategy's.
"""
