package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completionVerb is "burrow completion".
type completionVerb struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is the long help of the verb.
func (completionVerb) Help() string {
	return `In this shell, and in every new one:

    $ source <(burrow completion bash)
    $ burrow completion bash > ~/.local/share/bash-completion/completions/burrow

    $ source <(burrow completion zsh)
    $ echo 'source <(burrow completion zsh)' >> ~/.zshrc

    $ burrow completion fish | source
    $ burrow completion fish > ~/.config/fish/completions/burrow.fish`
}

// Run prints the script, made from the table of verbs.
func (v *completionVerb) Run(t *terminal, model *kong.Application) error {
	if v.Shell == "fish" {
		return completeFish(t.out, model)
	}
	if v.Shell == "zsh" {
		if _, err := io.WriteString(t.out, "autoload -U +X bashcompinit && bashcompinit\n"); err != nil {
			return err
		}
	}
	return completeBash(t.out, model)
}

// choices are the values of a flag, or of a verb's first argument.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return strings.Split(v.Enum, ",")
}

// positional gives the values of a verb's first argument.
func positional(verb *kong.Node) []string {
	if len(verb.Positional) == 0 {
		return nil
	}
	return choices(verb.Positional[0])
}

// leaves are the verbs that do something: those below another too.
func leaves(model *kong.Application) (all []*kong.Node) {
	for _, verb := range model.Children {
		if len(verb.Children) == 0 {
			all = append(all, verb)
		}
		all = append(all, verb.Children...)
	}
	return all
}

// names are those of the verbs below a node.
func names(verbs []*kong.Node) (all []string) {
	for _, verb := range verbs {
		all = append(all, verb.Name)
	}
	return all
}

// paths is how compgen finds what a verb's first argument may be: folders, files,
// or nothing.
func paths(verb *kong.Node) string {
	if len(verb.Positional) == 0 {
		return ""
	}
	switch verb.Positional[0].Name {
	case "dir":
		return "-d"
	case "file":
		return "-f"
	}
	return ""
}

// completeBash writes a function that zsh can run as well.
func completeBash(w io.Writer, model *kong.Application) error {
	var cases strings.Builder
	for _, verb := range model.Children {
		if len(verb.Children) > 0 {
			fmt.Fprintf(&cases, "    %s\\ )\n      words=%q\n      ;;\n", verb.Name, strings.Join(append(names(verb.Children), "--help"), " "))
		}
	}
	for _, verb := range leaves(model) {
		words := append(positional(verb), "--help")
		var values strings.Builder
		for _, flag := range verb.Flags {
			words = append(words, "--"+flag.Name)
			switch {
			case flag.Enum != "":
				fmt.Fprintf(&values, "        --%s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return;;\n", flag.Name, strings.Join(choices(flag.Value), " "))
			case flag.PlaceHolder == "FILE":
				fmt.Fprintf(&values, "        --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n", flag.Name)
			case !flag.IsBool():
				fmt.Fprintf(&values, "        --%s) return;;\n", flag.Name)
			}
		}
		fmt.Fprintf(&cases, "    %s\\ *)\n      words=%q paths=%s\n", strings.ReplaceAll(verb.Path(), " ", "\\ "), strings.Join(words, " "), paths(verb))
		if values.Len() > 0 {
			fmt.Fprintf(&cases, "      case $prev in\n%s      esac\n", values.String())
		}
		cases.WriteString("      ;;\n")
	}
	_, err := fmt.Fprintf(w, `_burrow() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= paths= i line=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W %q -- "$cur"))
    return
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do line+="${COMP_WORDS[i]} "; done
  case $line in
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case $cur in
    -*) ;;
    *) [ -z "$paths" ] || COMPREPLY+=($(compgen $paths -- "$cur"));;
  esac
}
complete -o filenames -F _burrow burrow
`, strings.Join(append(names(model.Children), "--help"), " "), cases.String())
	return err
}

// completeFish writes one line per verb and flag.
func completeFish(w io.Writer, model *kong.Application) error {
	var b strings.Builder
	b.WriteString("complete -c burrow -f\n")
	for _, verb := range model.Children {
		fmt.Fprintf(&b, "complete -c burrow -n __fish_use_subcommand -a %s -d %s\n", verb.Name, fishQuote(verb.Help))
		for _, below := range verb.Children {
			fmt.Fprintf(&b, "complete -c burrow -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s' -a %s -d %s\n",
				verb.Name, strings.Join(names(verb.Children), " "), below.Name, fishQuote(below.Help))
		}
	}
	for _, verb := range leaves(model) {
		within := "-n '__fish_seen_subcommand_from " + strings.Join(strings.Fields(verb.Path()), "; and __fish_seen_subcommand_from ") + "'"
		if values := positional(verb); values != nil {
			fmt.Fprintf(&b, "complete -c burrow %s -a %s\n", within, fishQuote(strings.Join(values, " ")))
		} else if paths(verb) == "-d" {
			fmt.Fprintf(&b, "complete -c burrow %s -a '(__fish_complete_directories)'\n", within)
		} else if paths(verb) == "-f" {
			fmt.Fprintf(&b, "complete -c burrow %s -F\n", within)
		}
		for _, flag := range verb.Flags {
			fmt.Fprintf(&b, "complete -c burrow %s -l %s", within, flag.Name)
			if flag.Short != 0 {
				fmt.Fprintf(&b, " -s %c", flag.Short)
			}
			switch {
			case flag.Enum != "":
				fmt.Fprintf(&b, " -x -a %s", fishQuote(strings.Join(choices(flag.Value), " ")))
			case flag.PlaceHolder == "FILE":
				b.WriteString(" -r -F")
			case !flag.IsBool():
				b.WriteString(" -x")
			}
			short, _, _ := strings.Cut(flag.Help, ". ")
			fmt.Fprintf(&b, " -d %s\n", fishQuote(strings.TrimSuffix(short, ".")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
