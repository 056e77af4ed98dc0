#include "app/cli/hub_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
#include "base/random.h"

namespace slipway::app::cli {
namespace {

namespace fs = std::filesystem;

class HubAddressTest : public ::testing::Test {
 protected:
  HubAddressTest() : dir_(fs::temp_directory_path() / ("slipway-address-" + base::random_token(8))) {
    fs::create_directories(dir_);
    search_.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
    search_.working_directory = dir_ / "work";
    search_.program_dirs = {dir_ / "build" / "bin"};
    variables_["HOME"] = (dir_ / "home").string();
  }
  ~HubAddressTest() override { fs::remove_all(dir_); }

  void write(const fs::path& dir, const std::string& url, mode_t mode = 0600) {
    fs::create_directories(dir);
    const fs::path file = dir / "client.json";
    std::ofstream(file) << R"({"url":")" << url << R"(","key":"slk_)" << url << R"(","more":1})";
    ::chmod(file.c_str(), mode);
  }
  std::string failure() {
    try {
      find_hub(search_);
    } catch (const base::Error& error) {
      return error.code() + ": " + error.message();
    }
    return "found";
  }

  fs::path dir_;
  HubSearch search_;
  std::map<std::string, std::string> variables_;
};

TEST_F(HubAddressTest, TheFirstOfTheUsualFoldersDecides) {
  write(dir_ / "home/.config/slipway", "http://config");
  EXPECT_EQ(find_hub(search_).url, "http://config");
  write(dir_ / "build/.slipway", "http://beside-program");
  EXPECT_EQ(find_hub(search_).url, "http://beside-program");
  write(dir_ / "work/.slipway", "http://here");
  EXPECT_EQ(find_hub(search_).url, "http://here");
  EXPECT_EQ(find_hub(search_).key.reveal(), "slk_http://here");
  EXPECT_EQ(find_hub(search_).data_dir, dir_ / "work/.slipway");
  variables_["SLIPWAY_DATA"] = (dir_ / "build/.slipway").string();
  EXPECT_EQ(find_hub(search_).url, "http://beside-program");
  variables_["SLIPWAY_URL"] = "unix:/run/hub.sock";
  EXPECT_EQ(find_hub(search_).url, "unix:/run/hub.sock");
  search_.data_option = ".slipway";  // relative to where we are
  EXPECT_EQ(find_hub(search_).url, "http://here");
  search_.url_option = "https://said";
  EXPECT_EQ(find_hub(search_).url, "https://said");
}

TEST_F(HubAddressTest, AKeyGoesOnlyToTheHubThatItCameWith) {
  write(dir_ / "work/.slipway", "http://here");
  search_.url_option = "http://elsewhere";
  EXPECT_TRUE(find_hub(search_).key.empty());
  variables_["SLIPWAY_KEY"] = "slk_env";
  EXPECT_EQ(find_hub(search_).key.reveal(), "slk_env");
}

TEST_F(HubAddressTest, AFileThatOthersMayReadIsRefused) {
  write(dir_ / "work/.slipway", "http://here", 0640);
  EXPECT_THAT(failure(), ::testing::HasSubstr("CLIENT_FILE_EXPOSED"));
  EXPECT_THAT(failure(), ::testing::HasSubstr("chmod 600"));
}

TEST_F(HubAddressTest, NothingFoundNamesThePlaces) {
  EXPECT_THAT(failure(), ::testing::HasSubstr((dir_ / "work/.slipway").string()));
  EXPECT_THAT(failure(), ::testing::HasSubstr((dir_ / "home/.config/slipway").string()));
}

TEST_F(HubAddressTest, ANamedFolderWithoutAFileIsNotPassedOver) {
  write(dir_ / "work/.slipway", "http://here");
  search_.data_option = "elsewhere";
  EXPECT_THAT(failure(), ::testing::HasSubstr("NO_HUB_FOUND: there is no client.json in"));
}

TEST_F(HubAddressTest, AnAddressOfAnUnknownKindIsRefused) {
  search_.url_option = "ftp://hub";
  EXPECT_THAT(failure(), ::testing::HasSubstr("VALIDATION_ERROR"));
}

}  // namespace
}  // namespace slipway::app::cli
