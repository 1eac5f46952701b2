# bash completion for reevectl(1).
#
# Verbs and options come from reevectl itself, names from the daemon that
# answers at the socket the command line names.

_reevectl() {
	local cur prev words cword
	if declare -F _init_completion >/dev/null; then
		_init_completion -n =: || return
	else
		words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
		cur=${words[cword]} prev=${words[cword - 1]}
	fi
	local cmd=${words[0]} verb='' i
	local -a where=()

	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		-c | --config | -s | --socket)
			where+=("${words[i]}" "${words[i + 1]}")
			((i++))
			;;
		--config=* | --socket=*) where+=("${words[i]}") ;;
		--timeout | --color | -n | --lines | --since) ((i++)) ;;
		-*) ;;
		*) [ -n "$verb" ] || verb=${words[i]} ;;
		esac
	done

	case $prev in
	-c | --config | -s | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		return
		;;
	--color)
		mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur")
		return
		;;
	--timeout | -n | --lines | --since) return ;;
	esac

	local list
	if [ -z "$verb" ]; then
		list=$("$cmd" --complete 2>/dev/null)
	elif [[ $cur == -* ]]; then
		list=$("$cmd" --complete "$verb" 2>/dev/null)
	else
		case $verb in
		reload | shutdown | upgrade | version) return ;;
		signal)
			list='TERM HUP INT USR1 USR2 KILL STOP CONT QUIT WINCH'
			[[ $prev == signal ]] ||
				list=$("$cmd" "${where[@]}" --timeout 1 status --names 2>/dev/null)
			;;
		tail)
			list=$("$cmd" "${where[@]}" --timeout 1 status --names 2>/dev/null)
			[[ $prev == tail ]] || list+=$'\nstdout\nstderr'
			;;
		*)
			list=$("$cmd" "${where[@]}" --timeout 1 status --names 2>/dev/null)
			case $verb in analyze | config | scale | events) ;; *) list+=$'\nall' ;; esac
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] &&
		compopt -o nospace 2>/dev/null
	# "grp:*" holds a colon, at which readline breaks words.
	declare -F __ltrim_colon_completions >/dev/null &&
		__ltrim_colon_completions "$cur"
	return 0
}

complete -F _reevectl reevectl
