"""Models that run at somebody else's: OpenAI and compatible servers, Azure OpenAI, Cohere."""
