//! The errors of CloudTrail's API, with their names and texts in one place.

use aws::AwsError;
use runtime::aws_error::{IntoAwsError, store_error};
use store::error::StoreError;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum CloudTrailError {
    /// An attribute that is none, has no fitting value, or is one of several.
    InvalidLookupAttributes(String),
    /// The end is before the beginning.
    InvalidTimeRange,
    /// Not 1 to 50.
    InvalidMaxResults,
    /// Not one that this lookup has given.
    InvalidNextToken,
    /// Wharf keeps no insights.
    InvalidEventCategory,
    /// Storage failed.
    Store(StoreError),
}

impl From<StoreError> for CloudTrailError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoAwsError for CloudTrailError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        match self {
            Self::InvalidLookupAttributes(message) => AwsError::new("InvalidLookupAttributesException", message),
            Self::InvalidTimeRange => AwsError::new(
                "InvalidTimeRangeException",
                "The StartTime must be before the EndTime, and both must be times",
            ),
            Self::InvalidMaxResults => {
                AwsError::new("InvalidMaxResultsException", "MaxResults must be a number from 1 to 50")
            }
            Self::InvalidNextToken => AwsError::new(
                "InvalidNextTokenException",
                "The NextToken was not given by a lookup with the same attributes and times",
            ),
            Self::InvalidEventCategory => AwsError::new(
                "InvalidEventCategoryException",
                "Only management events are kept: leave EventCategory out",
            ),
            Self::Store(error) => store_error(request_id, &error),
        }
    }
}
