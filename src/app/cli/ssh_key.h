#pragma once
// The key pair with which the command line enters machines: ~/.config/slipway/id_ed25519, made when first needed.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace slipway::app::cli {

// The private key's path; the public one beside it ends in .pub. Made by ssh-keygen when absent. Safe against two of us
// at once: one pair wins, both use it.
std::filesystem::path ensure_ssh_key(const std::function<std::optional<std::string>(const std::string&)>& environment);

// The line for authorized_keys, without line break.
std::string read_public_key(const std::filesystem::path& private_key);

}  // namespace slipway::app::cli
