# surrogates in the message
raise ValueError("bad name: \udcff\ud800 end")
