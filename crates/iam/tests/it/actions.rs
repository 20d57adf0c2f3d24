//! `Action` and `NotAction`.

use crate::support::{REPOSITORY, Row, run_rows};

const ACCESS: &str = "reference/access.md 5, Action";
const GUIDE: &str = "IAM User Guide: Action";
const NOT: &str = "IAM User Guide: NotAction";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("the action itself", GUIDE, "'Action':'ecr:PutImage'", "ecr:PutImage", true),
    ("another action", GUIDE, "'Action':'ecr:PutImage'", "ecr:BatchGetImage", false),
    ("a list is alternatives", GUIDE, "'Action':['ecr:ListImages','ecr:PutImage']", "ecr:PutImage", true),
    ("none of a list", GUIDE, "'Action':['ecr:ListImages','ecr:PutImage']", "ecr:DescribeImages", false),
    ("case of the name does not count", ACCESS, "'Action':'ecr:putimage'", "ecr:PutImage", true),
    ("case of the service does not count", ACCESS, "'Action':'ECR:PutImage'", "ecr:PutImage", true),
    ("case of the request does not count", ACCESS, "'Action':'ecr:PutImage'", "ECR:PUTIMAGE", true),
    ("everything", ACCESS, "'Action':'*'", "sts:AssumeRole", true),
    ("everything of a service", GUIDE, "'Action':'ecr:*'", "ecr:PutImage", true),
    ("everything of another service", GUIDE, "'Action':'ecr:*'", "sts:AssumeRole", false),
    ("a service whose name begins the same", ACCESS, "'Action':'ecr:*'", "ecr-public:PutImage", false),
    ("the public service", "reference/access.md 1", "'Action':'ecr-public:*'", "ecr-public:PutImage", true),
    ("a prefix", GUIDE, "'Action':'ecr:Get*'", "ecr:GetDownloadUrlForLayer", true),
    ("a prefix in another case", ACCESS, "'Action':'ecr:get*'", "ecr:GetDownloadUrlForLayer", true),
    ("a prefix that is not one", GUIDE, "'Action':'ecr:Get*'", "ecr:BatchGetImage", false),
    ("a suffix", ACCESS, "'Action':'ecr:*Image'", "ecr:PutImage", true),
    ("a suffix in the middle", ACCESS, "'Action':'ecr:*Image'", "ecr:DescribeImageScanFindings", false),
    ("a part in the middle", GUIDE, "'Action':'ecr:*Image*'", "ecr:DescribeImageScanFindings", true),
    ("stars between parts", ACCESS, "'Action':'ecr:*Lay*Up*'", "ecr:InitiateLayerUpload", true),
    ("stars between parts out of order", ACCESS, "'Action':'ecr:*Up*Lay*'", "ecr:InitiateLayerUpload", false),
    ("a star may stand for nothing", ACCESS, "'Action':'ecr:PutImage*'", "ecr:PutImage", true),
    ("one unknown character", ACCESS, "'Action':'ecr:?utImage'", "ecr:PutImage", true),
    ("a question mark is not nothing", ACCESS, "'Action':'ecr:PutImage?'", "ecr:PutImage", false),
    ("question marks count", ACCESS, "'Action':'ecr:????Image'", "ecr:PutImage", false),
    ("variables have no meaning in actions", "reference/access.md 5, Policy variables", "'Action':'ecr:${x}'", "ecr:PutImage", false),
    ("permission-only actions match as others", "reference/access.md 1", "'Action':'ecr:Replicate*'", "ecr:ReplicateImage", true),
    ("an empty name matches nothing", ACCESS, "'Action':'ecr:'", "ecr:PutImage", false),
    ("an action that is not excluded", NOT, "'NotAction':'ecr:DeleteRepository'", "ecr:PutImage", true),
    ("the excluded action", NOT, "'NotAction':'ecr:DeleteRepository'", "ecr:DeleteRepository", false),
    ("the excluded action in another case", NOT, "'NotAction':'ecr:deleterepository'", "ecr:DeleteRepository", false),
    ("an action of a list of exclusions", NOT, "'NotAction':['iam:*','ecr:Put*']", "ecr:PutImage", false),
    ("outside a list of exclusions", NOT, "'NotAction':['iam:*','sts:*']", "ecr:PutImage", true),
    ("another service than the excluded", NOT, "'NotAction':'ecr:*'", "sts:AssumeRole", true),
    ("everything is excluded", NOT, "'NotAction':'*'", "ecr:PutImage", false),
];

#[test]
fn actions() {
    run_rows(
        ROWS,
        |element| format!("{element},'Resource':'*'"),
        |action| (action.to_owned(), REPOSITORY.to_owned(), iam::Context::default()),
    );
}
