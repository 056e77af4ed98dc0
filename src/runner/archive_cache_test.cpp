#include "runner/archive_cache.h"

#include <sys/stat.h>

#include "observe/metrics.h"
#include "runner/testing/played_job.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

class AnArchiveCache : public ::testing::Test {
 protected:
  AnArchiveCache() { world_.faults().delay_max = milliseconds(1); }
  ~AnArchiveCache() override {
    cache_.reset();
    fs::remove_all(folder_);
  }
  static std::string make_folder() {
    std::string pattern = fs::temp_directory_path() / "archive-cache-XXXXXX";
    return ::mkdtemp(pattern.data());
  }

  // As a daemon does when it starts.
  void open(std::uint64_t bytes_max = kArchiveBytesMax) {
    cache_ = std::make_unique<ArchiveCache>(*process_, *process_, hub_,
                                            ArchiveCacheOptions{.folder = kept_, .bytes_max = bytes_max},
                                            observe::silent_logger(), &metrics_);
  }
  // Gives its hash; the hub has it.
  std::string archive(const std::string& content) {
    const auto hash = base::sha256_hex(content);
    hub_.archives[hash] = content;
    return hash;
  }
  struct Wish {
    std::string file;
    std::optional<std::expected<void, Error>> answer;
  };
  std::shared_ptr<Wish> ask(const std::string& hash) {
    auto wish = std::make_shared<Wish>(Wish{folder_ + "/job-" + std::to_string(++wishes_), std::nullopt});
    process_->post([this, hash, wish] {
      cache_->get(hash, wish->file, [wish](std::expected<void, Error> answer) { wish->answer = std::move(answer); });
    });
    return wish;
  }
  void settle() {
    while (world_.step()) {
    }
  }
  // What a job finds that asks for it; empty: nothing.
  std::string get(const std::string& hash) {
    const auto wish = ask(hash);
    settle();
    return content_of(*wish);
  }
  static std::string content_of(const Wish& wish) {
    if (!wish.answer || !*wish.answer) return "";
    std::ifstream in(wish.file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool is_kept(const std::string& hash) const { return fs::exists(kept_ + "/" + hash); }
  bool counts(const std::string& line) const { return metrics_.expose().find(line) != std::string::npos; }

  SimulatedWorld world_{1};
  std::unique_ptr<SimulatedWorld::Process> process_ = world_.boot();
  std::string folder_ = make_folder();
  std::string kept_ = folder_ + "/archives";
  observe::Registry metrics_;
  PlayedHub hub_{*process_};
  int wishes_ = 0;
  std::unique_ptr<ArchiveCache> cache_;
};

TEST_F(AnArchiveCache, FetchesWhatItHasNotAndAfterThatNotAgain) {
  open();
  const auto hash = archive("one");
  EXPECT_EQ(get(hash), "one");
  EXPECT_EQ(get(hash), "one");
  EXPECT_EQ(hub_.fetched.size(), 1u);
  EXPECT_TRUE(counts("slipway_daemon_archives_total{from=\"hub\"} 1"));
  EXPECT_TRUE(counts("slipway_daemon_archives_total{from=\"cache\"} 1"));
  EXPECT_TRUE(counts("slipway_daemon_archive_cache_bytes 3"));
}

TEST_F(AnArchiveCache, KeepsThemForTheNextDaemonAndForNobodyElse) {
  open();
  const auto hash = archive("one");
  get(hash);
  open();
  EXPECT_EQ(get(hash), "one");
  EXPECT_EQ(hub_.fetched.size(), 1u);
  struct stat folder{}, file{};
  ASSERT_EQ(::stat(kept_.c_str(), &folder), 0);
  ASSERT_EQ(::stat((kept_ + "/" + hash).c_str(), &file), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700u);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(AnArchiveCache, FetchesOnceForAllWhoWaitForIt) {
  open();
  const auto hash = archive("one");
  hub_.hold_archives = true;
  const auto first = ask(hash), second = ask(hash);
  settle();
  const auto third = ask(hash);
  settle();
  ASSERT_EQ(hub_.held_archives.size(), 1u);
  EXPECT_FALSE(first->answer);
  hub_.give_archive(hub_.held_archives[0].file, std::move(hub_.held_archives[0].reply), "one");
  settle();
  for (const auto& wish : {first, second, third}) EXPECT_EQ(content_of(*wish), "one");
  EXPECT_EQ(hub_.fetched.size(), 1u);
}

TEST_F(AnArchiveCache, TellsAllWhoWaitThatItDoesNotComeAndFetchesItWhenAskedAgain) {
  open();
  const auto hash = archive("one");
  hub_.hold_archives = true;
  const auto first = ask(hash), second = ask(hash);
  settle();
  hub_.hold_archives = false;
  hub_.held_archives[0].reply(std::unexpected(kAway));
  settle();
  for (const auto& wish : {first, second}) {
    ASSERT_TRUE(wish->answer);
    EXPECT_EQ(wish->answer->error().code(), "CONNECTION_FAILED");
  }
  EXPECT_EQ(get(hash), "one");
}

TEST_F(AnArchiveCache, ThrowsAwayWhatIsDamagedAndFetchesItAgain) {
  open();
  const auto hash = archive("one");
  get(hash);
  for (const auto* damage : {"two", "", "onetwo"}) {
    const auto fetched = hub_.fetched.size();
    std::ofstream(kept_ + "/" + hash) << damage;
    EXPECT_EQ(get(hash), "one") << damage;
    EXPECT_EQ(hub_.fetched.size(), fetched + 1);
    EXPECT_EQ(get(hash), "one");
    EXPECT_EQ(hub_.fetched.size(), fetched + 1);
  }
}

TEST_F(AnArchiveCache, TakesAwayWhatAKilledDaemonHadHalfFetched) {
  open();
  const auto hash = archive("one");
  hub_.hold_archives = true;
  ask(hash);
  settle();
  std::ofstream(hub_.held_archives[0].file) << "o";
  hub_.hold_archives = false;
  open();
  EXPECT_TRUE(fs::is_empty(kept_));
  EXPECT_EQ(get(hash), "one");
}

TEST_F(AnArchiveCache, LetsThoseGoFirstThatWereUsedLeastRecently) {
  open(8);
  const auto one = archive("one"), two = archive("two"), three = archive("three");
  get(one);
  get(two);
  get(one);
  get(three);
  EXPECT_TRUE(is_kept(one));
  EXPECT_FALSE(is_kept(two));
  EXPECT_TRUE(is_kept(three));
  EXPECT_TRUE(counts("slipway_daemon_archive_cache_bytes 8"));
  open(5);  // with a smaller bound
  EXPECT_FALSE(is_kept(one));
  EXPECT_TRUE(is_kept(three));
}

TEST_F(AnArchiveCache, TakesNothingFromUnderAJob) {
  open(4);
  const auto one = archive("one");
  const auto wish = ask(one);
  settle();
  get(archive("two"));
  EXPECT_FALSE(is_kept(one));
  EXPECT_EQ(content_of(*wish), "one");
}

TEST_F(AnArchiveCache, HandsOutWhatIsGreaterThanItselfAndDoesNotKeepIt) {
  open(4);
  const auto hash = archive("a great one");
  const auto first = ask(hash), second = ask(hash);
  settle();
  EXPECT_EQ(content_of(*first), "a great one");
  EXPECT_EQ(content_of(*second), "a great one");
  EXPECT_EQ(hub_.fetched.size(), 1u);
  EXPECT_FALSE(is_kept(hash));
}

TEST_F(AnArchiveCache, KeepsNothingWhereThereIsToBeNoRoom) {
  open(0);
  const auto hash = archive("one");
  EXPECT_EQ(get(hash), "one");
  EXPECT_EQ(get(hash), "one");
  EXPECT_EQ(hub_.fetched.size(), 2u);
  EXPECT_TRUE(fs::is_empty(kept_));
}

TEST_F(AnArchiveCache, MakesRoomOnAFullDiskAndFetchesPastItself) {
  open();
  const auto one = archive("one"), two = archive("two");
  get(one);
  hub_.file_failures = {base::system_error("writing", ENOSPC)};
  EXPECT_EQ(get(two), "two");
  EXPECT_TRUE(fs::is_empty(kept_));
  EXPECT_TRUE(counts("slipway_daemon_archive_cache_bytes 0"));
  EXPECT_EQ(get(one), "one");
  EXPECT_TRUE(is_kept(one));
}

TEST_F(AnArchiveCache, MakesNoFileOfWhatIsNoHash) {
  open();
  for (const auto* name : {"../stolen", "a", ""}) EXPECT_EQ(get(name), "archive") << name;
  EXPECT_TRUE(fs::is_empty(kept_));
}

}  // namespace
}  // namespace slipway::runner
