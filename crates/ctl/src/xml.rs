//! Reading the XML answers of the Query protocol.

/// An element without its namespace and attributes, which say nothing here.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document; the outermost element.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
        Ok(Self::of(document.root_element()))
    }

    fn of(node: roxmltree::Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().to_owned(),
            text: node.text().unwrap_or_default().to_owned(),
            children: node.children().filter(roxmltree::Node::is_element).map(Self::of).collect(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes out the first child of this name.
    pub(crate) fn take(self, name: &str) -> Option<Element> {
        self.children.into_iter().find(|child| child.name == name)
    }

    /// Its text.
    pub(crate) fn content(&self) -> &str {
        &self.text
    }

    /// The first child of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// As [`Element::text`], for what every answer has; the error names what is missing.
    pub(crate) fn require(&self, name: &str) -> Result<String, String> {
        self.text(name).map(str::to_owned).ok_or_else(|| format!("{} has no {name}", self.name))
    }

    /// The entries of the list of this name; none if there is no such list.
    pub(crate) fn members(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.find(name).into_iter().flat_map(|list| &list.children).filter(|child| child.name == "member")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let text = r#"<R xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Result><Users><member><Name>a &lt;b&gt;</Name>
            </member><member><Name/></member></Users><Empty/></Result></R>"#;
        let root = Element::parse(text).expect("well formed");
        let result = root.find("Result").expect("there");
        let names: Vec<_> = result.members("Users").map(|user| user.text("Name")).collect();
        assert_eq!(names, [Some("a <b>"), None]);
        assert_eq!(result.members("Empty").count() + result.members("Absent").count(), 0);
        assert_eq!(result.require("Name"), Err("Result has no Name".to_owned()));
        assert!(Element::parse("<html><p></html>").is_err());
    }
}
