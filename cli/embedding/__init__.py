"""The parts of ``nearfield embed``: where texts come from, who embeds them, how vectors are written."""
