// RUN-21: archives are what a stranger has made.

#include "provisioner/archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "base/random.h"
#include "provisioner/testing/tar_writer.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

namespace fs = std::filesystem;

class Archive : public testing::Test {
 protected:
  // The code with which it was refused; empty if it was not.
  std::string unpack_bytes(const std::string& bytes, const ArchiveLimits& limits = {}) {
    return unpack_file(folder_.write("archive", bytes), limits);
  }
  std::string unpack_file(const fs::path& file, const ArchiveLimits& limits = {}) {
    out_ = folder_.make("top/out" + std::to_string(++count_));
    const auto before = outside();
    std::string code;
    try {
      unpack(file, out_, limits);
    } catch (const base::Error& error) {
      code = error.code();
      message_ = error.message();
      EXPECT_EQ(error.error_class(), base::ErrorClass::user) << error.what();
    }
    EXPECT_EQ(outside(), before) << "something was written outside of the folder";
    return code;
  }
  std::string run(const std::string& command) {
    EXPECT_EQ(::system(("cd " + folder_.path().string() + " && " + command + " >/dev/null 2>&1").c_str()), 0)
        << command;
    return command;
  }
  std::string text(const std::string& name) const { return read_text(out_ / name); }

  TemporaryFolder folder_;
  fs::path out_;
  std::string message_;

 private:
  // Everything below the parent of the folders that are unpacked into, but these; with sizes and times.
  std::set<std::string> outside() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) found.insert(entry.path().string());
    for (const auto& entry : fs::directory_iterator(folder_.path() / "top")) found.insert(entry.path().string());
    return found;
  }
  int count_ = 0;
};

TEST_F(Archive, TarOfFilesFoldersAndALinkIsUnpacked) {
  EXPECT_EQ(unpack_bytes(TarWriter()
                             .add("./", '5')
                             .add("./main.tf", '0', "resource")
                             .add("scripts/", '5')
                             .add("scripts/run.sh", '0', "#!/bin/sh", "", 0755)
                             .add("scripts/latest", '2', "", "run.sh")
                             .add("deep/er/file", '0', "x")
                             .bytes()),
            "");
  EXPECT_EQ(text("main.tf"), "resource");
  EXPECT_EQ(text("scripts/latest"), "#!/bin/sh");
  EXPECT_EQ(text("deep/er/file"), "x");
  struct stat facts;
  ASSERT_EQ(::stat((out_ / "scripts/run.sh").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((out_ / "main.tf").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(Archive, WhatTarAndZipMakeIsUnderstood) {
  folder_.write("in/main.tf", "resource");
  folder_.write("in/módulo/ünïcode.tf", std::string(200'000, 'x'));
  folder_.write("in/" + std::string(120, 'a') + "/" + std::string(120, 'b'), "long");
  run("ln -s main.tf in/link && ln in/main.tf in/hard");
  run("tar -C in -cf plain.tar . && tar -C in -czf zipped.tar.gz . && tar -C in --format=posix -cf posix.tar .");
  run("tar -C in --format=gnu -cf gnu.tar . && cd in && "
      "python3 -c 'import zipfile,os\nz=zipfile.ZipFile(\"../it.zip\",\"w\",zipfile.ZIP_DEFLATED)\n"
      "[z.write(os.path.join(d,f)) for d,_,fs in os.walk(\".\") for f in fs]\nz.close()'");
  for (const char* name : {"plain.tar", "zipped.tar.gz", "posix.tar", "gnu.tar", "it.zip"}) {
    EXPECT_EQ(unpack_file(folder_.path() / name), "") << name << ": " << message_;
    EXPECT_EQ(text("main.tf"), "resource") << name;
    EXPECT_EQ(text("hard"), "resource") << name;
    EXPECT_EQ(text("módulo/ünïcode.tf").size(), 200'000u) << name;
    EXPECT_EQ(text(std::string(120, 'a') + "/" + std::string(120, 'b')), "long") << name;
  }
}

TEST_F(Archive, NamesThatLeaveTheFolderAreRefused) {
  for (const char* name :
       {"../evil", "a/../../evil", "/etc/evil", "..", "a/..", "//evil", "./../evil", "a/b/../../../x"})
    EXPECT_EQ(unpack_bytes(TarWriter().add(name, '0', "x").bytes()), "ARCHIVE_UNSAFE") << name;
  EXPECT_EQ(unpack_bytes(TarWriter().add("new\nline", '0', "x").bytes()), "ARCHIVE_UNSAFE");
  EXPECT_EQ(message_.find('\n'), std::string::npos);
}

TEST_F(Archive, LinksThatPointOutAreRefused) {
  for (const char* target : {"/etc/passwd", "..", "../x", "a/../../x", "x/..", "./../y", ""})
    EXPECT_EQ(unpack_bytes(TarWriter().add("link", '2', "", target).bytes()), "ARCHIVE_UNSAFE") << target;
  EXPECT_EQ(unpack_bytes(TarWriter().add("a/b/link", '2', "", "../../x").bytes()), "");
  EXPECT_EQ(unpack_bytes(TarWriter().add("a/b/link", '2', "", "../../../x").bytes()), "ARCHIVE_UNSAFE");
}

// Each of the two links stays inside as it is written; one through the other would not.
TEST_F(Archive, NoChainOfLinksLeadsOut) {
  EXPECT_EQ(unpack_bytes(TarWriter().add("here", '2', "", ".").add("out", '2', "", "here/..").bytes()),
            "ARCHIVE_UNSAFE");
  ASSERT_EQ(unpack_bytes(TarWriter()
                             .add("a/b/c/file", '0', "x")
                             .add("a/up", '2', "", "..")
                             .add("a/b/deep", '2', "", "../up/a/b/c")
                             .bytes()),
            "");
  for (const auto& entry : fs::recursive_directory_iterator(out_))
    EXPECT_TRUE(fs::weakly_canonical(entry.path()).string().starts_with(fs::canonical(out_).string()));
}

TEST_F(Archive, WhateverItsEntriesAreNothingLeadsOut) {
  base::SeededRandom random(1);
  const auto path = [&] {
    static constexpr std::array kParts{"a", "b", "c", "..", ".", "a/b"};
    std::string text = random.below(20) == 0 ? "/" : "";
    for (auto parts = 1 + random.below(4); parts > 0; --parts)
      text += std::string(text.empty() || text == "/" ? "" : "/") + kParts[random.below(kParts.size())];
    return text;
  };
  int accepted = 0;
  for (int round = 0; round < 1'000; ++round) {
    TarWriter tar;
    for (auto entries = 1 + random.below(5); entries > 0; --entries) {
      const char type = "01225"[random.below(5)];
      tar.add(path(), type, type == '0' ? "x" : "", path());
    }
    const std::string code = unpack_bytes(tar.bytes());
    EXPECT_TRUE(code.empty() || code == "ARCHIVE_UNSAFE") << code << ": " << message_;
    accepted += code.empty();
    for (const auto& entry : fs::recursive_directory_iterator(out_)) {
      std::error_code circular;  // links in a circle lead nowhere
      const auto target = fs::weakly_canonical(entry.path(), circular);
      EXPECT_TRUE(circular || (target / "").string().starts_with((out_ / "").string()))
          << entry.path() << " in round " << round;
    }
    fs::remove_all(out_);
  }
  EXPECT_GT(accepted, 20);
}

TEST_F(Archive, NothingIsWrittenThroughALink) {
  const TarWriter first = TarWriter().add("dir", '2', "", "elsewhere").add("dir/file", '0', "x");
  EXPECT_EQ(unpack_bytes(first.bytes()), "ARCHIVE_UNSAFE");
  const TarWriter last = TarWriter().add("dir/file", '0', "x").add("dir", '2', "", "elsewhere");
  EXPECT_EQ(unpack_bytes(last.bytes()), "ARCHIVE_UNSAFE");
  EXPECT_EQ(unpack_bytes(TarWriter().add("f", '2', "", "g").add("f", '0', "x").bytes()), "ARCHIVE_UNSAFE");
  EXPECT_EQ(unpack_bytes(TarWriter().add("f", '0', "x").add("f/g", '0', "x").bytes()), "ARCHIVE_UNSAFE");
}

TEST_F(Archive, HardLinksReachOnlyEarlierFilesOfTheArchive) {
  EXPECT_EQ(unpack_bytes(TarWriter().add("a", '0', "x").add("b/c", '1', "", "./a").bytes()), "");
  EXPECT_EQ(text("b/c"), "x");
  for (const char* target : {"/etc/passwd", "../top", "later", "dir"}) {
    const TarWriter tar = TarWriter().add("dir", '5').add("b", '1', "", target).add("later", '0', "x");
    EXPECT_EQ(unpack_bytes(tar.bytes()), "ARCHIVE_UNSAFE") << target;
  }
  EXPECT_EQ(unpack_bytes(TarWriter().add("l", '2', "", "x").add("b", '1', "", "l").bytes()), "ARCHIVE_UNSAFE");
}

TEST_F(Archive, DevicesAndPipesAreRefused) {
  for (const char type : {'3', '4', '6'})
    EXPECT_EQ(unpack_bytes(TarWriter().add("thing", type).bytes()), "ARCHIVE_UNSAFE") << type;
}

TEST_F(Archive, TheLaterOfTwoFilesOfOneNameCounts) {
  EXPECT_EQ(unpack_bytes(TarWriter().add("f", '0', "old").add("./f", '0', "new").bytes()), "");
  EXPECT_EQ(text("f"), "new");
}

TEST_F(Archive, LimitsHoldForWhatComesOut) {
  TarWriter many;
  for (int i = 0; i < 12; ++i) many.add("f" + std::to_string(i), '0', "x");
  EXPECT_EQ(unpack_bytes(many.bytes(), {.entries = 12}), "");
  EXPECT_EQ(unpack_bytes(many.bytes(), {.entries = 11}), "ARCHIVE_TOO_LARGE");
  TarWriter same;
  for (int i = 0; i < 12; ++i) same.add("f", '0', "x");
  EXPECT_EQ(unpack_bytes(same.bytes(), {.entries = 11}), "ARCHIVE_TOO_LARGE");
  EXPECT_EQ(unpack_bytes(TarWriter().add("f", '0', std::string(100, 'x')).bytes(), {.bytes = 99}), "ARCHIVE_TOO_LARGE");
  EXPECT_EQ(unpack_bytes(TarWriter().add("a/b/c", '0', "x").bytes(), {.depth = 2}), "ARCHIVE_UNSAFE");
  run("head -c 50000000 /dev/zero > zeros && gzip -k zeros && tar -czf bomb.tar.gz zeros && "
      "truncate -s 100G sparse && tar -Scf sparse.tar sparse");
  EXPECT_EQ(unpack_file(folder_.path() / "bomb.tar.gz", {.bytes = 1 << 20}), "ARCHIVE_TOO_LARGE");
  EXPECT_EQ(unpack_file(folder_.path() / "sparse.tar", {.bytes = 1 << 20}), "ARCHIVE_TOO_LARGE");
}

TEST_F(Archive, WhatIsNoArchiveIsInvalid) {
  EXPECT_EQ(unpack_bytes(""), "ARCHIVE_INVALID");
  EXPECT_EQ(unpack_bytes("resource \"x\" {}\n"), "ARCHIVE_INVALID");
  EXPECT_EQ(unpack_bytes(TarWriter().add("f", '0', std::string(5'000, 'x')).unfinished().substr(0, 2'000)),
            "ARCHIVE_INVALID");
  folder_.write("in/f", std::string(100'000, 'x'));
  run("tar -czf whole.tar.gz in && head -c 100 whole.tar.gz > cut.tar.gz");
  EXPECT_EQ(unpack_file(folder_.path() / "cut.tar.gz"), "ARCHIVE_INVALID");
}

TEST_F(Archive, OfTheSameFilesItHasTheSameBytesAndComesOutAsItWentIn) {
  folder_.write("in/b", "2");
  folder_.write("in/a/c", "1");
  run("chmod 755 in/b && ln -s a/c in/link");
  const auto one = folder_.path() / "one.tar.gz", two = folder_.path() / "two.tar.gz";
  const auto files = pack(folder_.path() / "in", one, IgnoreRules::usual());
  EXPECT_EQ(files, (std::vector<std::string>{"a/c", "b"}));
  run("touch -d 2001-01-01 in/b");
  pack(folder_.path() / "in", two, IgnoreRules::usual());
  EXPECT_EQ(read_text(one), read_text(two));
  EXPECT_EQ(unpack_file(one), "");
  EXPECT_EQ(text("link"), "1");
  EXPECT_EQ(fs::status(out_ / "b").permissions(), fs::perms::owner_all);
}

TEST_F(Archive, LeavesOutWhatIsIgnoredAndNotTheLockFile) {
  for (const char* name :
       {"main.tf", ".terraform.lock.hcl", ".terraform/providers/x", ".git/config", "terraform.tfstate", "a.log",
        "keep.log", "sub/b.log", "build/x", "sub/build/y", "docs/draft.md"})
    folder_.write(std::string("in/") + name, "x");
  folder_.write("in/.slipwayignore", "# logs\n*.log\n!keep.log\n/build\ndocs/*.md\n");
  auto rules = IgnoreRules::usual();
  rules.add_file_of(folder_.path() / "in");
  EXPECT_EQ(pack(folder_.path() / "in", folder_.path() / "x.tar.gz", rules),
            (std::vector<std::string>{".slipwayignore", ".terraform.lock.hcl", "keep.log", "main.tf", "sub/build/y"}));
}

// A state holds secrets in clear.
TEST_F(Archive, NoStateIsPackedWhateverItsName) {
  for (const char* name :
       {"main.tf", "errored.tfstate", "sub/dev.tfstate", "terraform.tfstate.1712345678.backup",
        "terraform.tfstate.d/dev/terraform.tfstate", ".terraform.tfstate.lock.info", "dev.tfstate.backup"})
    folder_.write(std::string("in/") + name, "x");
  EXPECT_EQ(pack(folder_.path() / "in", folder_.path() / "x.tar.gz", IgnoreRules::usual()),
            std::vector<std::string>{"main.tf"});
}

TEST(IgnoreRules, TwoStarsStandForAnyNumberOfFolders) {
  IgnoreRules rules;
  for (const char* rule : {"secrets/**/*.key", "out/**", "**/cache/x", "/a/**/**/b"}) rules.add(rule);
  for (const char* path : {"secrets/x.key", "secrets/a/b/x.key", "out/a/b", "cache/x", "a/cache/x", "a/b", "a/c/d/b"})
    EXPECT_TRUE(rules.ignores(path, false)) << path;
  for (const char* path : {"x.key", "more/secrets/a/x.key", "secrets/a/x.keys", "out", "cache/y/x", "a", "c/a/b"})
    EXPECT_FALSE(rules.ignores(path, false)) << path;
}

TEST_F(Archive, PackingRefusesWhatUnpackingWould) {
  folder_.write("in/f", std::string(100, 'x'));
  const auto packing = [&](const ArchiveLimits& limits) {
    try {
      pack(folder_.path() / "in", folder_.path() / "x.tar.gz", IgnoreRules::usual(), limits);
      return std::string();
    } catch (const base::Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(packing({.bytes = 50}), "ARCHIVE_TOO_LARGE");
  run("ln -s ../../etc in/out");
  EXPECT_EQ(packing({}), "ARCHIVE_UNSAFE");
}

}  // namespace
}  // namespace slipway::provisioner
