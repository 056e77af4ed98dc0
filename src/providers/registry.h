#pragma once
// The providers that this hub has, by name. Filled by the wiring, constant afterwards.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "providers/provider.h"

namespace slipway::providers {

class Registry {
 public:
  void add(std::unique_ptr<Provider> provider) {
    const std::string name(provider->name());
    if (providers_.empty()) default_ = name;
    providers_[name] = std::move(provider);
  }
  // The first that was added.
  const std::string& default_name() const { return default_; }
  // Throws VALIDATION_ERROR for the field `provider`, with the names that there are.
  Provider& get(const std::string& name) const {
    const auto found = providers_.find(name);
    if (found != providers_.end()) return *found->second;
    json::Array names;
    for (const auto& [known, provider] : providers_) names.emplace_back(known);
    throw base::validation_error("provider", "'" + name + "' is not a provider of this hub", std::move(names));
  }
  const std::map<std::string, std::unique_ptr<Provider>>& all() const { return providers_; }

 private:
  std::map<std::string, std::unique_ptr<Provider>> providers_;
  std::string default_;
};

}  // namespace slipway::providers
