"""The example operators, as their readers start them."""
