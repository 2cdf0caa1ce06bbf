# Completion of periprox for fish.

function __periprox_devices
    printf '%s\n' recorded: usbip:// usbip+unix:/// usbip+vsock:// usbip+exec: ring:///
    periprox list --emulated 2>/dev/null | string match -r '^emulated:\S+$'
    periprox list 2>/dev/null | string match -r '^\d+-[\d.]+'
end

set -l verbs serve list show transfer inspect attach detach ports export check capture
set -l kinds control in out

complete -c periprox -f
complete -c periprox -s h -l help -d 'Prints help'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -l version -d 'Prints the version'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a serve -d 'Exports devices'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a list -d 'Lists devices'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a show -d 'Shows descriptors'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a transfer -d 'Moves data'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a inspect -d 'Shows captures'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a attach -d 'Plugs devices into this kernel'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a detach -d 'Takes devices out of it'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a ports -d 'Lists virtual ports'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a export -d 'Exports over standard input'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a check -d 'Examines a server or a client'
complete -c periprox -n "not __fish_seen_subcommand_from $verbs" -a capture -d 'Captures a served device'

complete -c periprox -n '__fish_seen_subcommand_from serve' -l listen -x -a 'tcp:// unix:/// vsock:// ring:///' -d 'Where to listen'
complete -c periprox -n '__fish_seen_subcommand_from serve' -l yes -d 'Means all devices'
complete -c periprox -n '__fish_seen_subcommand_from serve' -l quiet -d 'Prints warnings only'
complete -c periprox -n '__fish_seen_subcommand_from serve' -l verbose -d 'Prints every connection'
complete -c periprox -n '__fish_seen_subcommand_from list' -l emulated -d 'What can be emulated'
complete -c periprox -n '__fish_seen_subcommand_from list' -a 'usbip:// usbip+unix:/// usbip+vsock:// ring:///' -d Server
complete -c periprox -n '__fish_seen_subcommand_from attach' -l direct -d 'Gives the connection to the kernel'
complete -c periprox -n '__fish_seen_subcommand_from attach' -l background -d 'Leaves a process that serves'
complete -c periprox -n '__fish_seen_subcommand_from attach detach' -l wait -x -d Seconds
complete -c periprox -n '__fish_seen_subcommand_from attach' -l silence -x -d Seconds
complete -c periprox -n '__fish_seen_subcommand_from attach' -l quiet -d 'Prints warnings only'
complete -c periprox -n '__fish_seen_subcommand_from detach ports' -l all -d 'All ports'
complete -c periprox -n '__fish_seen_subcommand_from detach' -a "(periprox ports 2>/dev/null | string match -r '^\d+')" -d Port
complete -c periprox -n "__fish_seen_subcommand_from $verbs" -l json -d 'Prints JSON'
complete -c periprox -n '__fish_seen_subcommand_from capture' -F -a "(periprox capture --list 2>/dev/null | string match -r '^\d+-[\d.]+')" -d Device
complete -c periprox -n '__fish_seen_subcommand_from capture' -l list -d 'Lists what can be captured'
complete -c periprox -n '__fish_seen_subcommand_from check' -a 'usbip:// usbip+unix:///' -d Device
complete -c periprox -n '__fish_seen_subcommand_from check' -l client -d 'Examines clients, not a server'
complete -c periprox -n '__fish_seen_subcommand_from check' -l listen -x -d 'Where clients come to'
complete -c periprox -n '__fish_seen_subcommand_from check' -l yes -d 'Also what changes the device'
complete -c periprox -n '__fish_seen_subcommand_from check' -s k -l match -x -d 'Only cases with this in their names'
complete -c periprox -n '__fish_seen_subcommand_from check' -l skip -x -d 'Leaves out a case'
complete -c periprox -n '__fish_seen_subcommand_from check' -l timeout -x -d Seconds
complete -c periprox -n '__fish_seen_subcommand_from check' -l list -d 'Lists the cases'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -F
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l errors -d 'Only what went wrong'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l endpoint -x -d 'Only this endpoint'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l type -x -a 'control isochronous bulk interrupt' -d 'Only this type'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l from -x -d 'Only from so many seconds on'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l until -x -d 'Only until so many seconds'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l summary -d 'Only figures'
complete -c periprox -n '__fish_seen_subcommand_from inspect' -l follow -d 'Waits for more'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l capture -r -F -d 'Writes all traffic to a file'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l snaplen -x -d 'Most bytes of data kept of a transfer'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l capture-size -x -d 'Begins a new file after that size'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l capture-files -x -d 'How many files are kept'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l fault -x -a 'stall error= drop delay= jitter= slow= truncate= corrupt duplicate reorder disconnect=' -d 'Makes transfers go wrong'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l seed -x -d 'Repeats the faults of a run'
complete -c periprox -n '__fish_seen_subcommand_from serve show transfer attach export' -l limit -x -a 'urbs= bytes= breaker orphans' -d 'Keeps transfers within bounds'
complete -c periprox -n '__fish_seen_subcommand_from show transfer' -l timeout -x -d Seconds
complete -c periprox -n "__fish_seen_subcommand_from serve show transfer attach export; and not __fish_seen_subcommand_from $kinds" -a '(__periprox_devices)' -d Device

complete -c periprox -n "__fish_seen_subcommand_from transfer; and not __fish_seen_subcommand_from $kinds" -a "$kinds"
complete -c periprox -n '__fish_seen_subcommand_from transfer' -l setting -x -d 'INTERFACE:ALTERNATE to select first'
complete -c periprox -n '__fish_seen_subcommand_from transfer' -l hex -d 'Prints data in hexadecimal'
complete -c periprox -n '__fish_seen_subcommand_from in' -l count -x -d 'How many transfers'
complete -c periprox -n '__fish_seen_subcommand_from out' -l zero-packet -d 'Ends with an empty packet'
