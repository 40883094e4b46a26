"""The verbs that use a stack as its users do: tokens, comments, chat logs, moderation, the demonstration."""
