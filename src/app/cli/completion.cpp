#include "app/cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "app/cli/command_words.h"
#include "app/cli/commands.h"
#include "app/cli/views.h"

namespace slipway::app::cli {

namespace {

constexpr std::string_view kBash =
    R"sh(# bash completion for slipway. Add to ~/.bashrc:  source <(slipway completion bash)
_slipway() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
}
complete -o bashdefault -o default -F _slipway slipway
)sh";

constexpr std::string_view kZsh = R"sh(#compdef slipway
# zsh completion for slipway. Add to ~/.zshrc, after compinit:  source <(slipway completion zsh)
_slipway() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" __complete --words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(${candidates:#})
  if (( ! ${#candidates} )); then _files
  elif [[ ${candidates[1]} == *: ]]; then compadd -S '' -- "${candidates[@]}"  # a path follows
  else compadd -- "${candidates[@]}"; fi
}
compdef _slipway slipway
)sh";

constexpr std::string_view kFish = R"sh(# fish completion for slipway. Save as ~/.config/fish/completions/slipway.fish
function __slipway_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete --words $words[2..-1] 2>/dev/null
end
complete -c slipway -f -a '(__slipway_complete)'
complete -c slipway -n '__fish_seen_subcommand_from cp' -F
)sh";

// Where the hub tells such names.
struct NameList {
  const char* type;
  const char* target;
  const char* member;
};
constexpr NameList kLists[] = {{kWorkspaceName, "/v1/workspaces", "name"}, {kRunName, "/v1/workflows/runs", "id"},
                               {kScheduleName, "/v1/schedules", "name"},   {kWebhookName, "/v1/webhooks", "id"},
                               {kWorkstationId, "/v1/workstations", "id"}, {kOrganizationId, "/v1/organizations", "id"},
                               {kMessageId, "/v1/messages", "id"},         {kAlertId, "/v1/alerts", "id"},
                               {kTemplateName, "/v1/templates", "name"}};

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; }))
    if (!child->get_group().empty()) names.push_back(child->get_name());  // no group: hidden
  return names;
}

// By the type of the value: names that the hub knows, or the choices written as "one|other".
std::vector<std::string> value_candidates(const CLI::Option& option, const CompletionSources& sources) {
  const std::string type = option.get_type_name();
  if (const auto source = sources.find(type); source != sources.end()) return source->second();
  std::vector<std::string> candidates;
  if (type == kCopyPath) {
    for (const std::string& name : sources.at(kWorkspaceName)()) candidates.push_back(name + ":");
  } else if (type.contains('|')) {
    candidates = CLI::detail::split(type, '|');
  }
  return candidates;
}

// A list from the hub, or nothing: a hub that is away must not disturb the one who types.
std::vector<std::string> names_from_hub(Invocation& invocation, const std::string& target, const std::string& member) {
  std::vector<std::string> names;
  try {
    for (const json::Value& element : invocation.hub().list(target, 100))
      names.emplace_back(element.as_object().at(member).as_string());
  } catch (const std::exception&) {
    names.clear();
  }
  return names;
}

int print_candidates(const CLI::App& app, Invocation& invocation, const std::vector<std::string>& words) {
  CommandWords read(app);
  for (const std::string& word : words) read.take(word);
  invocation.url = read.option_value("--url");
  invocation.key = read.option_value("--key");
  invocation.data_dir = read.option_value("--data");
  CompletionSources sources;
  for (const auto& list : kLists)
    sources[list.type] = [&] { return names_from_hub(invocation, list.target, list.member); };
  for (const std::string& candidate : complete_words(app, words, sources))
    invocation.world.out << printable(candidate) << '\n';
  return kOk;
}

}  // namespace

std::vector<std::string> complete_words(const CLI::App& app, const std::vector<std::string>& words,
                                        const CompletionSources& sources) {
  CommandWords read(app);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) read.take(words[i]);
  const std::string typed = words.empty() ? "" : words.back();
  std::vector<std::string> candidates;
  if (read.awaiting_value() != nullptr) {
    candidates = value_candidates(*read.awaiting_value(), sources);
  } else if (typed.starts_with('-')) {
    candidates = option_names(read.command());
  } else {
    candidates = subcommand_names(read.command());
    if (const CLI::Option* positional = read.next_positional()) {
      for (std::string& candidate : value_candidates(*positional, sources)) candidates.push_back(std::move(candidate));
    }
  }
  std::erase_if(candidates, [&](const std::string& candidate) { return !candidate.starts_with(typed); });
  std::ranges::sort(candidates);
  return candidates;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  SLIPWAY_ASSERT(shell == "fish");
  return std::string(kFish);
}

void add_completion_commands(CLI::App& app, Invocation& invocation) {
  auto shell = std::make_shared<std::string>();
  CLI::App& command = add_command(app, invocation, "completion", "Print a completion script for a shell",
                                  "  source <(slipway completion bash)\n  source <(slipway completion zsh)\n"
                                  "  slipway completion fish > ~/.config/fish/completions/slipway.fish",
                                  [&invocation, shell] {
                                    invocation.world.out << completion_script(*shell);
                                    return kOk;
                                  });
  command.add_option("shell", *shell, "which shell")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh", "fish"}).description(""))
      ->type_name("bash|zsh|fish");

  // Called by those scripts: everything after --words is what was typed, and none of it is for us.
  CLI::App* callback = app.add_subcommand("__complete", "")->group("");
  callback->callback([&app, &invocation] {
    invocation.action = [&app, &invocation] { return print_candidates(app, invocation, invocation.trailing); };
  });
}

}  // namespace slipway::app::cli
