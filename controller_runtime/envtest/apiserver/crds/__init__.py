"""Custom kinds: what CustomResourceDefinitions say, what is wrong with them, and with objects of their kinds.

- `definition`: what a definition is completed with, and what serving its versions takes;
- `validation`: what is wrong with it (`version_rules`, `schema_rules`, `structural` have the parts);
- `names`: which names it gets, and whether it is established;
- `objects`, `strategy`: what holds for objects of the kinds that it defines.
"""
