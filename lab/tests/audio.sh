# An emulated speaker and microphone under the kernel's snd-usb-audio, through stock vhci_hcd: what
# aplay sends lands in the file, sample by sample, what the file holds is what arecord gets, and the
# driver follows the feedback of a clock that runs ahead.
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

has_card() { [[ -e $(echo /sys/bus/usb/devices/"$1"/"$1":1.0/sound/card*) ]]; }
attach_audio() { # BUSID
    attach "$1"
    wait_for has_card "$LOCAL" || bail_out "a sound card appears" "$(dmesg | tail -n 8)"
    CARD=$(basename "$(echo /sys/bus/usb/devices/"$LOCAL"/"$LOCAL":1.0/sound/card*)")
    CARD=${CARD#card}
}
# Sound in which no byte is 0, so that silence around it can be told from it. It ends with a tenth of
# a second of silence, because the driver keeps the last millisecond to itself.
make_sound() { # FILE RATE CHANNELS SECONDS
    python3 - "$@" << 'END'
import random, sys, wave
path, rate, channels, seconds = sys.argv[1], *map(int, sys.argv[2:])
with wave.open(path, "wb") as sound:
    sound.setparams((channels, 2, rate, 0, "NONE", ""))
    noise = random.randbytes(rate * channels * 2 * seconds)
    sound.writeframes(noise.replace(b"\0", b"\1") + bytes(rate // 10 * channels * 2))
END
}
# PLAYED is SENT, but for the silence before and after.
is_played_as() { # SENT PLAYED
    python3 - "$@" << 'END'
import sys, wave
sent, played = (wave.open(path).readframes(1 << 30).strip(b"\0") for path in sys.argv[1:])
same = next((i for i, (a, b) in enumerate(zip(sent, played)) if a != b), "the end of one")
print(len(sent), "bytes sent,", len(played), "played; the same up to", same)
sys.exit(sent != played)
END
}
is_start_of() { # RECORDED SOUND
    python3 - "$@" << 'END'
import sys, wave
recorded, sound = (wave.open(path).readframes(1 << 30) for path in sys.argv[1:])
print(len(recorded), "bytes recorded; first at byte", sound.find(recorded[:64]))
sys.exit(not recorded or not sound.startswith(recorded))
END
}

# The kernel gives up on a stream that stands still for as long as its buffer lasts, and a guest on a
# busy machine may: the buffer holds all that is recorded or played.
patient=(--buffer-time=5000000 --period-time=250000)

modprobe snd-usb-audio || bail_out "snd-usb-audio loads"
make_sound "$LAB_SCRATCH/sent.wav" 44100 2 3
make_sound "$LAB_SCRATCH/sound.wav" 44100 2 5
make_sound "$LAB_SCRATCH/mono.wav" 8000 1 5
make_sound "$LAB_SCRATCH/long.wav" 48000 2 60

start_server tcp://127.0.0.1:3240 \
    "emulated:audio?speaker=$LAB_SCRATCH/played.wav&microphone=$LAB_SCRATCH/sound.wav&rate=44100" \
    "emulated:audio?speed=full&clock_ppm=10000&microphone=$LAB_SCRATCH/mono.wav"

# --- High speed: sample-exact ---

attach_audio 1-1
check "snd-usb-audio binds" is_bound_to "$LOCAL:1.0" snd-usb-audio
check_suspend_and_resume "$LOCAL"
check "arecord records while aplay plays" eval \
    "arecord -q -D hw:$CARD ${patient[*]} -f S16_LE -r 44100 -c 2 -d 2 '$LAB_SCRATCH/recorded.wav' &
    aplay -q -D hw:$CARD ${patient[*]} '$LAB_SCRATCH/sent.wav' && wait \$!"
check "the speaker's stream is closed" wait_for grep -q 'speaker is off' "$SERVER_LOG.err"
check "every sample that aplay sends lands in the file, and no other" \
    is_played_as "$LAB_SCRATCH/sent.wav" "$LAB_SCRATCH/played.wav"
check "arecord gets what the microphone's file holds, from its start" \
    is_start_of "$LAB_SCRATCH/recorded.wav" "$LAB_SCRATCH/sound.wav"
expect_clean_dmesg

# --- Unplugged while it plays ---

aplay -q -D "hw:$CARD" "$LAB_SCRATCH/sound.wav" 2> /dev/null &
player=$!
plays() { grep -q RUNNING "/proc/asound/card$CARD/pcm0p/sub0/status"; }
wait_for plays
detach "$PORT"
wait "$player"
ok "a player on an unplugged speaker ends"
expect_clean_dmesg

# --- Full speed, with a clock that is ahead by a hundredth ---

attach_audio 1-2
aplay -q -D "hw:$CARD" "${patient[@]}" "$LAB_SCRATCH/long.wav" &
player=$!
follows() { grep -q 'Momentary freq = 48[45]' "/proc/asound/card$CARD/stream0"; }
wait_for follows
check_equal "the driver follows the feedback" 0 $?
kill "$player"
wait "$player" 2> /dev/null
must arecord -q -D "hw:$CARD" "${patient[@]}" -f S16_LE -r 8000 -c 1 -d 1 "$LAB_SCRATCH/recorded.wav"
check "a microphone of another format is recorded as its file is" \
    is_start_of "$LAB_SCRATCH/recorded.wav" "$LAB_SCRATCH/mono.wav"
detach "$PORT"

expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
finish
