#include "agent/credential.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::agent {
namespace {

constexpr std::size_t kMaxSecretBytes = 4096;  // the longest tokens known are about half of it

}  // namespace

std::optional<base::Secret> read_secret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) return std::nullopt;
  std::string text(kMaxSecretBytes, '\0');
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(file.gcount()));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  if (text.empty()) return std::nullopt;
  return base::Secret(std::move(text));
}

void keep_secret(const std::string& path, const base::Secret& secret) {
  const std::string partial = path + ".new";
  {
    base::UniqueFd file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    const auto& text = secret.reveal();
    if (!file || ::write(file.get(), text.data(), text.size()) != ssize_t(text.size()))
      throw base::system_error("keep the credential in '" + partial + "'", errno);
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) throw base::system_error("keep the credential", errno);
}

}  // namespace slipway::agent
