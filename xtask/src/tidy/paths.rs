//! The paths that Rust code names: in `use`, and elsewhere before `::`.

/// A path, name by name.
pub(super) type Path = Vec<String>;

/// A path that code names.
pub(super) struct Mention {
    pub(super) path: Path,
    /// The name that a `use` gives it; none for other paths.
    pub(super) name: Option<String>,
    /// It stands in a `pub use` of any kind.
    pub(super) public: bool,
}

/// The paths that a file's tokens name, as its own module would name them.
pub(super) fn mentions(tokens: &[String]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut rest = tokens;
    let (mut before, mut inline, mut depth) = ("", Vec::new(), 0_usize);
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first.as_str() {
            "use" => {
                let end = tail
                    .iter()
                    .position(|token| token == ";")
                    .unwrap_or(tail.len());
                let (tree, after) = tail.split_at(end);
                let public = ["pub", ")"].contains(&before);
                let mut leaves = Vec::new();
                group(tree, &[], &mut leaves);
                let leaves = leaves.into_iter().map(|(path, name)| Mention {
                    path: outside(path, inline.len()),
                    name: Some(name),
                    public,
                });
                found.extend(leaves);
                rest = after;
            }
            "mod" if tail.get(1).is_some_and(|token| token == "{") => inline.push(depth),
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            // A path's first name.
            _ if before != "::" && tail.first().is_some_and(|token| token == "::") => {
                let (path, after) = straight(rest, first);
                found.push(Mention {
                    path: outside(path, inline.len()),
                    name: None,
                    public: false,
                });
                rest = after;
            }
            _ => {}
        }
        before = first;
    }
    found
}

/// The names of a path whose first is already read, and what follows it.
fn straight<'a>(mut rest: &'a [String], first: &str) -> (Path, &'a [String]) {
    let mut path = vec![first.to_owned()];
    while let [colons, name, tail @ ..] = rest {
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if colons != "::" || !is_name {
            break;
        }
        path.push(name.clone());
        rest = tail;
    }
    (path, rest)
}

/// The paths of a `use` tree, and the names that they give.
fn group(tree: &[String], prefix: &[String], leaves: &mut Vec<(Path, String)>) {
    let mut depth = 0_u32;
    let members = tree.split(|token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token == ","
    });
    for member in members {
        let open = member.iter().position(|token| token == "{");
        let head = member
            .get(..open.unwrap_or(member.len()))
            .unwrap_or_default();
        let renamed = head.iter().position(|token| token == "as");
        let names = head
            .get(..renamed.unwrap_or(head.len()))
            .unwrap_or_default();
        let mut path = prefix.to_vec();
        path.extend(names.iter().filter(|token| *token != "::").cloned());
        match open {
            Some(open) => {
                let inside = member.get(open + 1..member.len() - 1).unwrap_or_default();
                group(inside, &path, leaves);
            }
            None => {
                // Of a group, `self` is what stands before it.
                if path.len() > 1
                    && path
                        .last()
                        .is_some_and(|last| ["self", "*"].contains(&last.as_str()))
                {
                    path.pop();
                }
                let name = head.last().cloned().unwrap_or_default();
                let name = if name == "self" {
                    path.last().cloned().unwrap_or_default()
                } else {
                    name
                };
                leaves.push((path, name));
            }
        }
    }
}

/// The path as the file's own module would name it, where it stands in a module within the file.
fn outside(path: Path, depth: usize) -> Path {
    let up = path.iter().take_while(|name| *name == "super").count();
    let cut = up.min(depth);
    let mut path: Path = path.into_iter().skip(cut).collect();
    if cut > 0 && cut == up {
        path.insert(0, "self".to_owned());
    }
    path
}
