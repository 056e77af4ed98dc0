#pragma once
// Shell completion: small scripts for the shells, which call the program back with the words typed so far.

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace slipway::app::cli {

// What the hub can add, by the type name of an option (invocation.h); each may be slow or fail, and is asked only where
// such a name fits.
using CompletionSources = std::map<std::string, std::function<std::vector<std::string>()>, std::less<>>;

// What the last of `words` (perhaps empty) may become: commands, options, names. Empty where files belong.
std::vector<std::string> complete_words(const CLI::App& app, const std::vector<std::string>& words,
                                        const CompletionSources& sources);

// For "bash", "zsh" or "fish".
std::string completion_script(const std::string& shell);

}  // namespace slipway::app::cli
