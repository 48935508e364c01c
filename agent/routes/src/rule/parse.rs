//! From a rule's text to the rule. What is not understood is refused with the place and the remedy: a rule that is
//! understood in part would let in what it was to keep out.

use super::Rule;
use super::error::{DEEPEST, LONGEST, RuleError, RuleProblem};
use super::matcher::Matcher;

pub(super) fn parse(text: &str) -> Result<Rule, RuleError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    if text.len() > LONGEST {
        return Err(parser.error(RuleProblem::Long));
    }
    let rule = parser.any()?;
    match parser.next() {
        None => Ok(rule),
        found => Err(parser.expected("&&, || or the end", found)),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte that comes next.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Rules joined by `||`.
    fn any(&mut self) -> Result<Rule, RuleError> {
        let mut rules = vec![self.all()?];
        while self.takes("||") {
            rules.push(self.all()?);
        }
        Ok(joined(rules, Rule::Any))
    }

    /// Rules joined by `&&`.
    fn all(&mut self) -> Result<Rule, RuleError> {
        let mut rules = vec![self.not()?];
        while self.takes("&&") {
            rules.push(self.not()?);
        }
        Ok(joined(rules, Rule::All))
    }

    fn not(&mut self) -> Result<Rule, RuleError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(RuleProblem::Deep));
        }
        let rule = if self.takes("!") {
            Rule::Not(Box::new(self.not()?))
        } else if self.takes("(") {
            let rule = self.any()?;
            self.wants(")", "&&, || or )")?;
            rule
        } else {
            self.matcher()?
        };
        self.depth -= 1;
        Ok(rule)
    }

    fn matcher(&mut self) -> Result<Rule, RuleError> {
        self.skip();
        let begin = self.at;
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric());
        let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if name.is_empty() {
            let found = self.next();
            return Err(self.expected("a matcher such as Host(`example.com`)", found));
        }
        self.at += name.len();
        self.wants("(", "(")?;
        let mut texts = vec![self.quoted()?];
        while self.takes(",") {
            texts.push(self.quoted()?);
        }
        self.wants(")", ", or )")?;
        let matchers = Matcher::named(name, &texts).map_err(|problem| RuleError {
            at: self.character(begin),
            problem,
        })?;
        let list = match matchers.first() {
            Some(Matcher::Query(..)) => Rule::All,
            _ => Rule::Any,
        };
        Ok(joined(
            matchers.into_iter().map(Rule::Matcher).collect(),
            list,
        ))
    }

    fn quoted(&mut self) -> Result<String, RuleError> {
        const QUOTES: [char; 2] = ['`', '"'];
        let quote = match self.next() {
            Some(quote) if QUOTES.contains(&quote) => quote,
            found => return Err(self.expected("a text between backquotes", found)),
        };
        let begin = self.at;
        self.at += quote.len_utf8();
        let mut text = String::new();
        let mut letters = self.rest().chars();
        while let Some(letter) = letters.next() {
            let escaped = letter == '\\' && quote == '"';
            match if escaped {
                letters.next()
            } else {
                Some(letter)
            } {
                Some(end) if end == quote && !escaped => {
                    self.at = self.text.len() - letters.as_str().len();
                    return Ok(text);
                }
                Some(letter) => text.push(letter),
                None => break,
            }
        }
        Err(RuleError {
            at: self.character(begin),
            problem: RuleProblem::Open(quote),
        })
    }

    /// Goes over blanks, and over a token if it comes next.
    fn takes(&mut self, token: &str) -> bool {
        self.skip();
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn wants(&mut self, token: &str, wanted: &'static str) -> Result<(), RuleError> {
        if self.takes(token) {
            return Ok(());
        }
        let found = self.next();
        Err(self.expected(wanted, found))
    }

    /// What comes next but blanks.
    fn next(&mut self) -> Option<char> {
        self.skip();
        self.rest().chars().next()
    }

    fn skip(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expected(&self, wanted: &'static str, found: Option<char>) -> RuleError {
        self.error(RuleProblem::Expected { wanted, found })
    }

    fn error(&self, problem: RuleProblem) -> RuleError {
        RuleError {
            at: self.character(self.at),
            problem,
        }
    }

    /// The number of the character that begins at a byte.
    fn character(&self, byte: usize) -> usize {
        let before = self.text.get(..byte).unwrap_or_default();
        before.chars().count() + 1
    }
}

/// One rule is itself.
fn joined(mut rules: Vec<Rule>, list: fn(Vec<Rule>) -> Rule) -> Rule {
    match (rules.len(), rules.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            rules.extend(last);
            list(rules)
        }
    }
}
