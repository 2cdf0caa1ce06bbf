# Completion of periprox for bash.

_periprox_devices() {
	printf '%s\n' emulated: recorded: usbip:// usbip+unix:/// usbip+vsock:// usbip+exec: ring:///
	# Names of emulated devices and bus ids, as the program itself tells them.
	periprox list --emulated 2> /dev/null | sed -n 's/^\(emulated:[^ ]*\)$/\1/p'
	periprox list 2> /dev/null | sed -n 's/^\([0-9][0-9]*-[0-9.]*\) .*/\1/p'
}

_periprox() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' kind='' word
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
			serve | list | show | transfer | inspect | attach | detach | ports | export | check | capture) [[ -z $verb ]] && verb=$word ;;
			control | in | out) [[ $verb == transfer && -z $kind ]] && kind=$word ;;
		esac
	done
	case $prev in
		--listen)
			mapfile -t COMPREPLY < <(compgen -W 'tcp:// unix:/// vsock:// ring:///' -- "$cur")
			return
			;;
		--fault)
			mapfile -t COMPREPLY < <(compgen -W 'stall error= drop delay= jitter= slow= truncate= corrupt duplicate reorder disconnect=' -- "$cur")
			return
			;;
		--limit)
			mapfile -t COMPREPLY < <(compgen -W 'urbs= bytes= breaker orphans' -- "$cur")
			return
			;;
		--type)
			mapfile -t COMPREPLY < <(compgen -W 'control isochronous bulk interrupt' -- "$cur")
			return
			;;
		--capture)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		--timeout | --setting | --count | --wait | --silence | --snaplen | --capture-size | --capture-files | --seed | --endpoint | --from | --until | --match | -k | --skip) return ;;
	esac
	local words stages='--capture --snaplen --capture-size --capture-files --fault --seed --limit'
	case $verb in
		'') words='serve list show transfer inspect attach detach ports export check capture --help --version' ;;
		serve) words="all --listen --yes --json --quiet --verbose --help $stages" ;;
		list) words='--emulated --json --help usbip:// usbip+unix:/// usbip+vsock:// ring:///' ;;
		show) words="--timeout --json --help $stages" ;;
		inspect)
			words='--errors --endpoint --type --from --until --summary --follow --json --help'
			[[ $cur != -* ]] && mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return
			;;
		attach) words="--direct --background --wait --silence --json --quiet --help $stages" ;;
		detach)
			words="--all --wait --json --help"
			if [[ $cur != -* ]]; then
				# Ports in use, and the bus ids of what is plugged into them.
				words+=" $(periprox ports 2> /dev/null | awk 'NR > 1 { print $1, $2 }')"
			fi
			;;
		ports) words='--all --json --help' ;;
		export) words="--help $stages" ;;
		check) words='--client --listen --yes --match --skip --timeout --list --json --help usbip:// usbip+unix:///' ;;
		capture)
			words='--snaplen --list --json --help'
			# What servers on this machine export, then a file.
			[[ $cur != -* ]] && words+=" $(periprox capture --list 2> /dev/null | awk 'NR > 1 { print $1 }')"
			[[ $cur != -* ]] && mapfile -t COMPREPLY < <(compgen -f -W "$words" -- "$cur") && return
			;;
		transfer)
			words="--timeout --setting --hex --json --help $stages"
			case $kind in
				'') words+=' control in out' ;;
				in) words+=' --count' ;;
				out) words+=' --zero-packet' ;;
			esac
			;;
	esac
	if [[ $cur != -* && -n $verb && $verb != @(list|detach|ports|check|capture) && -z $kind ]]; then
		words+=" $(_periprox_devices)"
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# Readline splits words at colons: give back only what follows the last one.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		local prefix=${cur%"${cur##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
	fi
}

complete -o nosort -F _periprox periprox
