#include "app/cli/ssh_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

namespace fs = std::filesystem;
using testing::Bench;

TEST(SshConfig, NamesHostsProxyAndKey) {
  const std::string text = ssh_config_text({.workspaces = {"hello", "api"},
                                            .also_others = true,
                                            .program = {"/opt/slip way/50%/slipway", "--data", "/var/lib/slipway"},
                                            .identity_file = "/home/me/.config/slipway/id_ed25519"});
  EXPECT_EQ(text,
            "# Written by `slipway ssh-config`, which writes it anew: do not edit.\n"
            "Host slipway.hello slipway.api slipway.*\n"
            "  User dev\n"
            "  ProxyCommand '/opt/slip way/50%%/slipway' --data /var/lib/slipway ssh --stdio %n\n"
            "  IdentityFile \"/home/me/.config/slipway/id_ed25519\"\n"
            "  IdentitiesOnly yes\n"
            "  # The hub vouches for the machine at the other end of the ProxyCommand; a workspace that is made again\n"
            "  # under an old name has another host key.\n"
            "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile /dev/null\n"
            "  LogLevel ERROR\n");
}

TEST(SshConfig, IncludeStandsFirstAndOnlyOnce) {
  const std::string mine = "Host box\n  User me\n";
  const std::string once = with_include(mine, "/c/ssh_config");
  EXPECT_TRUE(once.ends_with("Include \"/c/ssh_config\"\n" + mine));
  EXPECT_EQ(with_include(once, "/c/ssh_config"), once);
  EXPECT_EQ(without_include(once, "/c/ssh_config"), mine);
  EXPECT_EQ(without_include("Host box", "/c/ssh_config"), "Host box");  // also without a last line break
}

TEST(SshConfig, QuotesForTheShell) {
  EXPECT_EQ(shell_quoted("plain-1.2/x"), "plain-1.2/x");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

class SshConfigInstall : public ::testing::Test {
 protected:
  SshConfigInstall() : home_(fs::temp_directory_path() / ("slipway-ssh-" + base::random_token(8))) {
    fs::create_directories(home_);
    bench_.environment["HOME"] = home_.string();
    bench_.hub.data("GET /v1/workspaces?limit=200", R"([{"name":"hello"}])");
  }
  ~SshConfigInstall() override { fs::remove_all(home_); }
  static std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path home_;
  Bench bench_;
};

TEST_F(SshConfigInstall, CanBeRepeatedAndTakenBack) {
  fs::create_directories(home_ / ".ssh");
  std::ofstream(home_ / ".ssh/config") << "Host box\n  User me\n";
  ASSERT_EQ(bench_.run({"ssh-config", "--install"}), kOk) << bench_.err;
  const std::string config = read(home_ / ".ssh/config");
  const std::string key = read(home_ / ".config/slipway/id_ed25519");
  EXPECT_TRUE(config.ends_with("Host box\n  User me\n"));
  EXPECT_NE(read(home_ / ".config/slipway/ssh_config").find("Host slipway.hello slipway.*\n"), std::string::npos);
  ASSERT_EQ(bench_.run({"ssh-config", "--install"}), kOk);
  EXPECT_EQ(read(home_ / ".ssh/config"), config);
  EXPECT_EQ(read(home_ / ".config/slipway/id_ed25519"), key);
  ASSERT_EQ(bench_.run({"ssh-config", "--remove"}), kOk);
  EXPECT_EQ(read(home_ / ".ssh/config"), "Host box\n  User me\n");
  EXPECT_FALSE(fs::exists(home_ / ".config/slipway/ssh_config"));
}

TEST_F(SshConfigInstall, KeepsAConfigThatIsALink) {
  fs::create_directories(home_ / ".ssh");
  fs::create_directories(home_ / "dotfiles");
  std::ofstream(home_ / "dotfiles/ssh") << "# mine\n";
  fs::create_symlink(home_ / "dotfiles/ssh", home_ / ".ssh/config");
  ASSERT_EQ(bench_.run({"ssh-config", "--install"}), kOk) << bench_.err;
  EXPECT_TRUE(fs::is_symlink(home_ / ".ssh/config"));
  EXPECT_TRUE(read(home_ / "dotfiles/ssh").ends_with("# mine\n"));
}

TEST_F(SshConfigInstall, MakesPrivateFilesWhereNothingWas) {
  ASSERT_EQ(bench_.run({"ssh-config", "--install"}), kOk) << bench_.err;
  for (const char* path : {".ssh/config", ".config/slipway/id_ed25519", ".config/slipway/ssh_config"}) {
    struct stat facts{};
    ASSERT_EQ(::stat((home_ / path).c_str(), &facts), 0) << path;
    EXPECT_EQ(facts.st_mode & 077, 0u) << path;
  }
}

}  // namespace
}  // namespace slipway::app::cli
