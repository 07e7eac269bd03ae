"""Measures of generative models, one file each: pure functions of tensors, with what is random decided by a seed.

A *model* here is anything with ``config``, ``device``, ``map`` (z -> latents), ``encode`` (images -> latents) and
``synthesize`` (latents -> images); latents are stylemaps [N, C, S, S] or vectors for each layer [N, L, C]. Pictures are uint8
[N, R, R, 3]; sets of them arrive in batches and are never held as a whole, features of them are. `suite` puts the measures
together and knows what each needs; docs/metrics.md says how they are defined and what they compare with.
"""
