#include "app/cli/ssh_key.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "app/cli/hub_address.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::app::cli {

namespace {

namespace fs = std::filesystem;

void run_ssh_keygen(const std::string& key) {
  std::array<std::string, 9> words{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "slipway", "-f"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  std::string path = key;
  arguments.insert(arguments.end(), {path.data(), nullptr});
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, "ssh-keygen", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0)
    throw base::Error(base::ErrorClass::user, "SSH_KEYGEN_MISSING",
                      "ssh-keygen cannot be run; install it (Debian: apt install openssh-client)");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) throw base::internal_error("ssh-keygen could not make a key pair at " + key);
}

}  // namespace

fs::path ensure_ssh_key(const std::function<std::optional<std::string>(const std::string&)>& environment) {
  const auto dir = config_dir(environment);
  if (!dir) throw base::validation_error("HOME", "is not set, so there is no place for the ssh key");
  if (!fs::exists(*dir)) {
    fs::create_directories(*dir);
    fs::permissions(*dir, fs::perms::owner_all);
  }
  const fs::path key = *dir / "id_ed25519";
  const base::UniqueFd lock(::open((*dir / "id_ed25519.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) throw base::system_error("cannot lock " + dir->string(), errno);
  if (!fs::exists(key) || !fs::exists(key.string() + ".pub")) {
    fs::remove(key);  // half a pair: the rest of an attempt that was killed
    fs::remove(key.string() + ".pub");
    run_ssh_keygen(key.string());
  }
  return key;
}

std::string read_public_key(const fs::path& private_key) {
  std::ifstream stream(private_key.string() + ".pub");
  std::string line;
  if (!std::getline(stream, line)) throw base::system_error("cannot read " + private_key.string() + ".pub", errno);
  return line;
}

}  // namespace slipway::app::cli
