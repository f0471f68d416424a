"""The embedded broker: amqtt behind the door. Nothing outside this package imports amqtt.

Ordinary messages take this way: door session, inner session, pipe, amqtt, index of subscriptions, pipes, inner
sessions, door sessions. amqtt listens nowhere: its only listener is an external one, which gets the pipes.
"""
