CLAIM = "Alternating minimisation converges linearly though its rows are solved roughly"
NOT_SHOWN = "no fresh entries for every half sweep, no clipping, no claim on time"
