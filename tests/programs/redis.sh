# A server on an address and a port of its own, HOST and PORT. Keys are set, the benchmark
# sets, gets and removes others at random, and then the first ones are read back. Only the
# server gets the allocator, and the largest resident set is that of the server alone.
set -eu
client() { LD_PRELOAD='' redis-cli -h "$HOST" -p "$PORT" "$@"; }

# The server is the same file under another name; the package redis-tools has only this one.
ln -s "$(command -v redis-check-rdb)" redis-server
./redis-server --bind "$HOST" --port "$PORT" --save '' --appendonly no --dir . \
    --logfile server.log --pidfile '' >/dev/null &
server=$!
tries=0
until client ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 1000 ] || ! kill -0 $server; then
        cat server.log >&2
        exit 1
    fi
    sleep 0.01
done

client <"$INPUT/redis-set"
LD_PRELOAD='' redis-benchmark -h "$HOST" -p "$PORT" -n "$(cat "$INPUT/requests")" -r 5000 -d 100 \
    -c 20 -P 10 -t set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset \
    --csv >benchmark
grep -i error benchmark || true
client <"$INPUT/redis-get"

grep -E '^VmHWM' /proc/$server/status >peak
client shutdown nosave
wait $server
