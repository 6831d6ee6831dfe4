#! input prices.py: IiIiQSBtb2R1bGUgdGhhdCB0aGUgY2xpZW50IHNlbnQgYWxvbmcuIiIiCgpSQVRFID0gMC4xOQoKCmRlZiBncm9zcyhuZXQpOgogICAgcmV0dXJuIHJvdW5kKG5ldCAqICgxICsgUkFURSksIDIpCg==
# A module that was sent along beside the program can be imported.
import prices

print(prices.gross(100), prices.RATE, prices.__doc__)
