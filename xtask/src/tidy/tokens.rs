//! Rust code as names and signs, as far as the rules need it: paths, modules and what is for tests only.

use super::source::Source;

/// The tokens of a file's code: names whole, `::` as one, all else character by character.
pub(super) fn tokens(file: &Source) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in &file.code {
        let mut rest = line.as_str();
        while let Some(first) = rest.chars().next() {
            let name = rest.len() - rest.trim_start_matches(is_name).len();
            let taken = match first {
                _ if name > 0 => name,
                _ if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (token, tail) = rest.split_at(taken);
            if !first.is_whitespace() {
                tokens.push(token.to_owned());
            }
            rest = tail;
        }
    }
    tokens
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens without the items that are marked `#[cfg(test)]`.
pub(super) fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        let marked = rest.len() > MARK.len() && rest.iter().zip(MARK).all(|(a, b)| a == b);
        if marked {
            rest = rest.get(MARK.len()..).map_or(&[], after_item);
        } else {
            left.push(first.clone());
            rest = tail;
        }
    }
    left
}

/// The tokens behind the first item, which ends with a semicolon or with its closing brace.
fn after_item(tokens: &[String]) -> &[String] {
    let is_use = tokens.iter().take(5).any(|token| token == "use");
    let mut depth = 0_u32;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = token == ";" || token == "}" && !is_use;
        if depth == 0 && ends {
            return tokens.get(at + 1..).unwrap_or_default();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let file = Source::new("a.rs".to_owned(), text.to_owned());
        without_tests(&tokens(&file)).join(" ")
    }

    #[test]
    fn names_and_paths_are_told_apart() {
        assert_eq!(read("use a_b::{c, d};"), "use a_b :: { c , d } ;");
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let marked = [
            "#[cfg(test)]\nmod tests {\n    fn f() { x(); }\n}",
            "#[cfg(test)] mod tests;",
            "#[cfg(test)] pub(crate) use a::{b, c};",
            "#[cfg(test)] fn f(x: [u8; 4]) -> u8 { x[0] }",
        ];
        for item in marked {
            assert_eq!(read(&format!("a;\n{item}\nb;")), "a ; b ;", "{item}");
        }
    }
}
