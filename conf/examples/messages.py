"""A child with a message channel, in Python: answers whatever it is sent.

What is to be known about the channel: it is a socket, its number is in
NODE_CHANNEL_FD, and each message is a JSON text on a line of its own.
"""
import json
import os
import socket

channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
channel.set_inheritable(False)  # not for what this program starts


def send(message):
    # json.dumps writes no line break, so the line is whole.  When we send
    # faster than we are read, sendall waits: nothing is lost.
    channel.sendall(json.dumps(message).encode() + b"\n")


send("ready")
for line in channel.makefile("rb"):
    message = json.loads(line)
    send({"from": "python", "got": message})
# The loop ends when the channel is closed (reevectl send --disconnect): what
# is left to do may be done here.
