#include <fmt/core.h>

#include <map>
#include <string>

#include "apps/juxmem/commands.h"
#include "juxmem/env/admitted_keys.h"
#include "juxmem/env/key_file.h"

namespace juxmem {
namespace {

namespace po = boost::program_options;

int key_new(const Arguments& arguments) {
  CommandLine line(
      "key new", "FILE [--user NAME --of GRIDKEY]",
      "Makes a key in a new file that only you may read. Without --user it is a grid's own key: its providers take it by\n"
      "juxmemd --key-file, and whoever holds it is trusted like a provider. With --user it is a user's key, which\n"
      "lets nobody in before `juxmem key admit`. Programs take a key from the file that JUXMEM_KEY_FILE names.",
      "  juxmem key new grid.key\n"
      "  juxmem key show grid.key > grid.pub\n"
      "  juxmem key new alice.key --user alice --of grid.pub\n");
  line.options()("user", po::value<std::string>(), "name of the user")(
      "of", po::value<std::string>(), "the grid's key file, or a file with its public part");
  if (const auto ended = line.parse(arguments, 1, 1)) return *ended;
  if (line.has("user") != line.has("of")) return line.wrong("--user and --of belong together");
  const std::string& path = line.operands().front();
  KeyFile key;
  if (line.has("user")) {
    const std::string name = line.text("user");
    if (!is_user_name(name))
      return line.wrong("--user: '" + name + "' is not a name: letters, digits, '.', '_', '@' and '-'");
    const auto grid = load_public_key(line.text("of"));
    if (!grid) return line.failed(grid.error());
    key = new_user_key(name, grid->grid);
  } else {
    key = new_grid_key();
  }
  if (Status written = write_key_file(path, key); !written) return line.failed(written.error());
  fmt::print(stderr, "the key is in {}; it is secret\n", path);
  return kExitOk;
}

int key_show(const Arguments& arguments) {
  CommandLine line("key show", "FILE",
                   "Prints the public part of a key: what an administrator needs to admit it, and of a grid's key\n"
                   "what a user needs to make his own.",
                   "  juxmem key show alice.key > alice.pub\n");
  if (const auto ended = line.parse(arguments, 1, 1)) return *ended;
  const auto key = load_key_file(line.operands().front());
  if (!key) return line.failed(key.error());
  fmt::print("{}", public_part(*key));
  return kExitOk;
}

int key_admit(const Arguments& arguments) {
  CommandLine line(
      "key admit", "GRIDKEY FILE",
      "Admits a user: puts the public key of FILE (a key or its public part) into the folder GRIDKEY.admitted. Providers\n"
      "that read this folder let him in from then on; the others need a copy of it.",
      "  juxmem key admit grid.key alice.pub\n");
  if (const auto ended = line.parse(arguments, 2, 2)) return *ended;
  const auto grid = load_key_file(line.operands()[0]);
  if (!grid) return line.failed(grid.error());
  if (!grid->is_grid_key()) return line.wrong(line.operands()[0] + " is a user's key, not a grid's");
  const auto user = load_public_key(line.operands()[1]);
  if (!user) return line.failed(user.error());
  if (user->grid != grid->grid) return line.failed(Error{Code::kInvalid, "the key was made for another grid"});
  if (user->key == grid->grid) return line.wrong("the grid's own key needs no admission");
  const AdmittedKeys admitted(admitted_folder_of(line.operands()[0]));
  if (Status done = admitted.admit(user->name, user->key); !done) return line.failed(done.error());
  fmt::print(stderr, "{} is admitted\n", user->name);
  return kExitOk;
}

int key_revoke(const Arguments& arguments) {
  CommandLine line(
      "key revoke", "GRIDKEY NAME",
      "Puts a user out while the grid runs: his key is not admitted any more, and his connections are cut within a second.",
      "  juxmem key revoke grid.key alice\n");
  if (const auto ended = line.parse(arguments, 2, 2)) return *ended;
  const AdmittedKeys admitted(admitted_folder_of(line.operands()[0]));
  if (Status done = admitted.revoke(line.operands()[1]); !done) return line.failed(done.error());
  fmt::print(stderr, "{} is not admitted any more\n", line.operands()[1]);
  return kExitOk;
}

int key_list(const Arguments& arguments) {
  CommandLine line("key list", "GRIDKEY", "Prints the names of the users whose keys are admitted.",
                   "  juxmem key list grid.key\n");
  if (const auto ended = line.parse(arguments, 1, 1)) return *ended;
  const auto names = AdmittedKeys(admitted_folder_of(line.operands().front())).read();
  if (!names) return line.failed(names.error());
  std::map<std::string, std::string> by_name;
  for (const auto& [key, name] : *names) by_name.emplace(name, key);
  for (const auto& [name, key] : by_name) fmt::print("{}\n", name);
  return kExitOk;
}

}  // namespace

int key_command(const Arguments& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments.front();
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (verb == "new") return key_new(rest);
  if (verb == "show") return key_show(rest);
  if (verb == "admit") return key_admit(rest);
  if (verb == "revoke") return key_revoke(rest);
  if (verb == "list") return key_list(rest);
  const bool help = verb == "--help" || verb == "-h";
  fmt::print(help ? stdout : stderr,
             "Usage: juxmem key new FILE [--user NAME --of GRIDKEY]\n"
             "       juxmem key show FILE\n"
             "       juxmem key admit GRIDKEY FILE\n"
             "       juxmem key revoke GRIDKEY NAME\n"
             "       juxmem key list GRIDKEY\n"
             "More: juxmem key new --help\n");
  return help ? kExitOk : kExitUsage;
}

}  // namespace juxmem
