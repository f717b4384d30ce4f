"""``nearfield up``: the whole product on one machine, under one supervisor."""
