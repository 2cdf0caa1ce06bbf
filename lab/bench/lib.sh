# What benches of usbtest cases share: the cases, running them, and medians of rounds. A bench sources
# this after lab/guest/lib.sh, sets ROUNDS, calls `measure` for each way in each round, and `median`
# and `ratio` for its table.

# Cases 10, 11, 12 and 24 make usbip-host oops.
cases=(
    1:iterations=300,length=512
    2:iterations=300,length=512
    3:iterations=300,length=1024,vary=512
    4:iterations=300,length=1024,vary=512
    5:iterations=30,length=512,sglen=16
    6:iterations=30,length=512,sglen=16
    7:iterations=30,length=1024,vary=512,sglen=16
    8:iterations=30,length=1024,vary=512,sglen=16
    9:iterations=30
    10:iterations=30,sglen=16
    11:iterations=60,length=1024
    12:iterations=60,length=1024
    13:iterations=30,length=512
    14:iterations=300,length=256,vary=1
    17:iterations=200,length=512
    18:iterations=200,length=512
    19:iterations=200,length=512
    20:iterations=200,length=512
    21:iterations=300,length=256,vary=1
    24:iterations=20,length=512,sglen=16
    27:iterations=15,length=16384,sglen=32
    28:iterations=15,length=16384,sglen=32
    29:iterations=30,length=512
)
# Those that do not.
safe_cases=()
for item in "${cases[@]}"; do
    if ! [[ $item =~ ^(10|11|12|24): ]]; then safe_cases+=("$item"); fi
done

# Those that lab/bench/bare.cpp is enough for.
bare_cases=()
for item in "${safe_cases[@]}"; do
    if ! [[ $item =~ ^9: ]]; then bare_cases+=("$item"); fi
done

# Starts a process on the way of an URB that checks nothing; BARE_PID becomes its process.
start_bare() { # export|relay ARGUMENT...
    local program
    program=$(dirname "$USBTEST_RUNNER")/bare
    [[ -x $program ]] || bail_out "a bare server and relay to run" "$program"
    "$program" "$@" > "$LAB_SCRATCH/bare" &
    BARE_PID=$!
    wait_for grep -q ready "$LAB_SCRATCH/bare" || bail_out "bare $1 is ready"
}

# Seconds that a case takes on a device, "failed" if it does not pass.
seconds() { # BUSID CASE
    "$USBTEST_RUNNER" --json --device "$1" "$2" |
        sed -n 's/.*"result": "\([a-z]*\)".*"seconds": \([0-9.]*\)}/\1 \2/p' |
        { read -r result time && [[ $result == passed ]] && echo "$time" || echo failed; }
}

declare -A times
# Runs cases once on a device, and notes how long each took under the name of this way to it.
measure() { # WAY BUSID ALTERNATE_SETTING CASE...
    local way=$1 busid=$2 item
    bind_usbtest "$busid" "$3" 0
    shift 3
    for item in "$@"; do times[$way $item]+="$(seconds "$busid" "$item") "; done
}

median() { # WAY CASE
    if [[ -z ${times[$1 $2]-} ]]; then
        echo -
    elif [[ ${times[$1 $2]} == *failed* ]]; then
        echo failed
    else
        tr ' ' '\n' <<< "${times[$1 $2]}" | grep . | sort -n | sed -n "$(((ROUNDS + 1) / 2))p"
    fi
}

ratio() { # PART WHOLE
    awk -v part="$1" -v whole="$2" \
        'BEGIN { if (part + 0 > 0 && whole + 0 > 0) printf "%.2f\n", part / whole; else print "-" }'
}
