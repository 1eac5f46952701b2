"""rpc.py SOCKET METHOD PARAMS [INPUT [OUTPUT]]: notifications, then the result."""
import array, json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
req = json.dumps({"jsonrpc": "2.0", "id": 1, "method": sys.argv[2],
                  "params": json.loads(sys.argv[3])}) + "\n"
fds = [os.open(p, f) for p, f in zip(sys.argv[4:], (os.O_RDONLY, os.O_RDWR | os.O_CREAT))]
socket.send_fds(s, [req.encode()], fds)
for line in s.makefile():
    m = json.loads(line)
    if "method" in m:
        print("note", json.dumps(m["params"]), flush=True)
        continue
    if "error" in m:
        print("error", m["error"]["code"], m["error"]["message"])
        sys.exit(1)
    print(json.dumps(m["result"]))
    sys.exit(0)
sys.exit("closed")
